-- Grain: one row per play-by-play action of a game whose play-by-play is the newer form of the stats service.
-- The order is that of the array. A substitution is one row there and two actions here. Passers and players who
-- come in stand only in the sentence, by name.
{{ incremental_by_game(['game_id', 'order_number'], unpacks_json=true) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

payloads as (
    select
        playbyplay.game_id,
        playbyplay.payload
    from {{ ref('stg_nba__playbyplayv3_versions') }} as playbyplay
    inner join changed_games on playbyplay.game_id = changed_games.game_id
    inner join {{ ref('stg_nba__game_versions') }} as versions
        on playbyplay.game_id = versions.game_id
    where versions.playbyplay_resource = 'playbyplayv3'
),

action_types as (
    select * from {{ ref('stats_action_types') }}
),

sent as (
    select
        payloads.game_id,
        action.place as row_place,
        action.value
    from payloads
    {{ json_each_numbered(json_path('payloads.payload', ['game', 'actions']), 'action') }}
),

read as (
    select
        game_id,
        row_place,
        {{ json_text('value', 'actionNumber') }}::integer as action_number_sent,
        {{ json_text('value', 'period') }}::smallint as period,
        {{ duration_seconds(json_text('value', 'clock')) }} as seconds_remaining,
        lower({{ json_text('value', 'actionType') }}) as sent_type,
        lower({{ json_text('value', 'subType') }}) as sent_subtype,
        {{ json_text('value', 'description') }} as sentence,
        {{ json_text('value', 'location') }} as location,
        nullif({{ json_text('value', 'teamId') }}, '0') as sent_team_id,
        nullif({{ json_text('value', 'personId') }}, '0') as person_id,
        {{ json_text('value', 'playerName') }} as family_name,
        {{ json_text('value', 'playerNameI') }} as short_name,
        {{ safe_integer(json_text('value', 'scoreHome')) }} as score_home_sent,
        {{ safe_integer(json_text('value', 'scoreAway')) }} as score_away_sent,
        {{ json_text('value', 'shotValue') }} as shot_value,
        {{ safe_float(json_text('value', 'shotDistance')) }} as sent_distance_feet,
        {{ safe_integer(json_text('value', 'xLegacy')) }} as shot_x_tenths_of_feet,
        {{ safe_integer(json_text('value', 'yLegacy')) }} as shot_y_tenths_of_feet
    from sent
),

sides as (
    select
        game_id,
        max(case when location = 'h' then sent_team_id end) as home_team_id,
        max(case when location = 'v' then sent_team_id end) as away_team_id
    from read
    group by game_id
),

-- what a team does has the team's id where else the person's stands; a review has a number there that is nobody's
identified as (
    select
        read.*,
        sides.home_team_id,
        sides.away_team_id,
        coalesce(
            read.sent_team_id,
            case
                when read.person_id in (sides.home_team_id, sides.away_team_id) then read.person_id
            end
        ) as team_id,
        case
            when
                read.sent_team_id is not null
                and read.person_id not in (sides.home_team_id, sides.away_team_id)
                then read.person_id
        end as player_id
    from read
    inner join sides on read.game_id = sides.game_id
),

-- how the sentences call a player: as his own begin, else as his name is without its marks
spellings as (
    select
        game_id,
        team_id,
        player_id,
        1 as preference,
        case
            when sent_type = 'substitution' then {{ text_match('sentence', ' FOR (.+)$') }}
            else {{ text_match(
                "case when sentence like 'MISS %' then substr(sentence, 6) else sentence end",
                "^(.+?) (?:REBOUND|STEAL|BLOCK|Free Throw|3PT|[0-9]+'' |[A-Z.]+FOUL|OFF[.]Foul)"
            ) }}
        end as name
    from identified
    where player_id is not null
    union all
    select
        game_id,
        team_id,
        player_id,
        2 as preference,
        family_name as name
    from identified
    where player_id is not null
    union all
    select
        game_id,
        team_id,
        player_id,
        3 as preference,
        short_name as name
    from identified
    where player_id is not null
    union all
    -- someone who comes in and never acts has no row of his own
    select
        players.game_id,
        players.team_id,
        players.player_id,
        4 as preference,
        substr(players.full_name, strpos(players.full_name, ' ') + 1) as name
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join payloads on players.game_id = payloads.game_id
    union all
    select
        players.game_id,
        players.team_id,
        players.player_id,
        4 as preference,
        substr(players.full_name, 1, 1) || '. '
        || substr(players.full_name, strpos(players.full_name, ' ') + 1) as name
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join payloads on players.game_id = payloads.game_id
),

preferred as (
    select
        game_id,
        team_id,
        player_id,
        {{ plain_name('name') }} as name,
        rank() over (
            partition by game_id, team_id, {{ plain_name('name') }} order by preference
        ) as preference_rank
    from spellings
    where name is not null
),

-- a name that two players of a team share names nobody
names as (
    select
        game_id,
        team_id,
        name,
        max(player_id) as player_id
    from preferred
    where preference_rank = 1
    group by game_id, team_id, name
    having min(player_id) = max(player_id)
),

-- a jump ball has the home side's jumper as its actor and names who got the ball, of either team
names_of_game as (
    select
        game_id,
        name,
        max(team_id) as team_id,
        max(player_id) as player_id
    from names
    group by game_id, name
    having count(*) = 1
),

typed as (
    select
        identified.*,
        case
            when exact.action_type = 'shot' or by_type.action_type = 'shot'
                then case when identified.shot_value = '3' then '3pt' else '2pt' end
            when exact.action_type is not null then exact.action_type
            when by_type.action_type is not null then by_type.action_type
            -- steals and blocks are rows of their own, without a type
            when identified.sent_type = '' and identified.sentence like '% STEAL (%' then 'steal'
            when identified.sent_type = '' and identified.sentence like '% BLOCK (%' then 'block'
            else coalesce(nullif(identified.sent_type, ''), 'unknown')
        end as action_type,
        case
            when exact.action_type is not null then exact.action_subtype
            else coalesce(by_type.action_subtype, nullif(identified.sent_subtype, ''))
        end as action_subtype,
        exact.descriptor,
        {{ plain_name(text_match('identified.sentence', '[(]([^()]+) [0-9]+ AST[)]')) }}
            as assist_name,
        {{ plain_name(text_match('identified.sentence', '^SUB: (.+) FOR ')) }} as incoming_name,
        {{ plain_name(text_match(
            'identified.sentence', 'Double (?:Personal|Technical) - [^,]+, ([^,(]+?)(?: *[(].*)?$'
        )) }} as second_name,
        {{ plain_name(text_match('identified.sentence', ': Tip to (.+)$')) }} as tip_name
    from identified
    left join action_types as exact
        on
            identified.sent_type = exact.v3_action_type
            and {{ text_match('identified.sent_subtype', '^(.*?)(?: turnover)?$') }}
            = exact.v3_sub_type
    left join action_types as by_type
        on identified.sent_type = by_type.v3_action_type and by_type.v3_sub_type is null
),

parts as (
    select
        typed.*,
        case
            when typed.action_type in ('2pt', '3pt')
                then case when typed.sent_type = 'made shot' then 'Made' else 'Missed' end
            when typed.action_type = 'freethrow'
                then case when typed.sentence like 'MISS %' then 'Missed' else 'Made' end
        end as shot_result,
        passers.player_id as assist_player_id,
        incoming.player_id as incoming_player_id,
        seconds.player_id as second_player_id,
        tips.team_id as tip_team_id,
        tips.player_id as tip_player_id,
        case
            when typed.team_id = typed.home_team_id then typed.away_team_id
            else typed.home_team_id
        end as opposing_team_id,
        max(case when typed.action_type = 'block' then typed.player_id end) over same_play
            as block_of_play,
        max(case when typed.action_type = 'steal' then typed.player_id end) over same_play
            as steal_of_play
    from typed
    left join names as passers
        on
            typed.game_id = passers.game_id
            and typed.team_id = passers.team_id
            and typed.assist_name = passers.name
    left join names as incoming
        on
            typed.game_id = incoming.game_id
            and typed.team_id = incoming.team_id
            and typed.incoming_name = incoming.name
    left join names as seconds
        on
            typed.game_id = seconds.game_id
            and typed.team_id <> seconds.team_id
            and typed.second_name = seconds.name
    left join names_of_game as tips
        on
            typed.game_id = tips.game_id
            and typed.tip_name = tips.name
    window same_play as (partition by typed.game_id, typed.action_number_sent)
),

actions as (
    select
        game_id,
        row_place,
        0 as part,
        action_number_sent,
        period,
        seconds_remaining,
        action_type,
        case when action_type = 'substitution' then 'out' else action_subtype end as action_subtype,
        descriptor,
        case when action_type = 'jumpball' then tip_team_id else team_id end as team_id,
        case when action_type = 'jumpball' then tip_player_id else player_id end as player_id,
        -- the score of a period mark or a review is at times an old one
        case when shot_result is not null then score_home_sent end as score_home_sent,
        case when shot_result is not null then score_away_sent end as score_away_sent,
        shot_result,
        -- the distance sent is 0 for many corner threes; the place is not
        case
            when action_type not in ('2pt', '3pt') then null
            when shot_x_tenths_of_feet <> 0 or shot_y_tenths_of_feet <> 0
                then sqrt(
                    power(shot_x_tenths_of_feet::float8, 2)
                    + power(shot_y_tenths_of_feet::float8, 2)
                ) / 10
            else sent_distance_feet
        end as shot_distance_feet,
        case when action_type in ('2pt', '3pt') then shot_x_tenths_of_feet end
            as shot_x_tenths_of_feet,
        case when action_type in ('2pt', '3pt') then shot_y_tenths_of_feet end
            as shot_y_tenths_of_feet,
        case when action_type in ('2pt', '3pt') then assist_player_id end as assist_player_id,
        case when action_type in ('2pt', '3pt') then block_of_play end as block_player_id,
        case when action_type = 'turnover' then steal_of_play end as steal_player_id,
        null::text as foul_drawn_player_id,
        {{ safe_integer(text_match('sentence', 'Off:([0-9]+)')) }} as offensive_total,
        {{ safe_integer(text_match('sentence', 'Def:([0-9]+)')) }} as defensive_total
    from parts
    union all
    select
        game_id,
        row_place,
        1 as part,
        action_number_sent,
        period,
        seconds_remaining,
        action_type,
        case when action_type = 'substitution' then 'in' else action_subtype end as action_subtype,
        descriptor,
        case when action_type = 'substitution' then team_id else opposing_team_id end as team_id,
        case when action_type = 'substitution' then incoming_player_id else second_player_id end
            as player_id,
        null as score_home_sent,
        null as score_away_sent,
        null as shot_result,
        null as shot_distance_feet,
        null as shot_x_tenths_of_feet,
        null as shot_y_tenths_of_feet,
        null as assist_player_id,
        null as block_player_id,
        null as steal_player_id,
        null as foul_drawn_player_id,
        null as offensive_total,
        null as defensive_total
    from parts
    where action_type = 'substitution' or second_player_id is not null
)

select * from ({{ stats_service_actions('actions') }}) as completed
