-- Grain: one row per play-by-play action of a game whose play-by-play is the older form of the stats service.
-- A table sent as names of columns and rows of values; the order is that of the rows, never EVENTNUM. One row may
-- be two actions: a shot and its block, a turnover and its steal, a player who goes out and one who comes in.
{{ incremental_by_game(['game_id', 'order_number'], unpacks_json=true) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

payloads as (
    select
        playbyplay.game_id,
        {{ json_path('playbyplay.payload', ['resultSets', '0']) }} as result_set
    from {{ ref('stg_nba__playbyplayv2_versions') }} as playbyplay
    inner join changed_games on playbyplay.game_id = changed_games.game_id
    inner join {{ ref('stg_nba__game_versions') }} as versions
        on playbyplay.game_id = versions.game_id
    where versions.playbyplay_resource = 'playbyplayv2'
),

action_types as (
    select * from {{ ref('stats_action_types') }}
),

headers as (
    select
        payloads.game_id,
        {{ json_scalar_text('header.value') }} as column_name,
        header.place
    from payloads
    {{ json_each_numbered(json_path('payloads.result_set', ['headers']), 'header') }}
),

{% set columns = [
    'eventnum', 'eventmsgtype', 'eventmsgactiontype', 'period', 'pctimestring', 'homedescription',
    'neutraldescription', 'visitordescription', 'score', 'person1type', 'player1_id', 'player1_team_id', 'player2_id',
    'player2_team_id', 'person3type', 'player3_id', 'player3_team_id',
] %}
places as (
    select
        game_id,
    {% for column in columns %}
        max(case when column_name = '{{ column | upper }}' then place end)
            as {{ column }}_place{{ ',' if not loop.last }}
    {% endfor %}
    from headers
    group by game_id
),

sent as (
    select
        payloads.game_id,
        event.place as row_place,
        event.value
    from payloads
    {{ json_each_numbered(json_path('payloads.result_set', ['rowSet']), 'event') }}
),

named as (
    select
        sent.game_id,
        sent.row_place,
    {% for column in columns %}
        {{ json_element_text('sent.value', 'places.' ~ column ~ '_place') }}
            as {{ column }}{{ ',' if not loop.last }}
    {% endfor %}
    from sent
    inner join places on sent.game_id = places.game_id
),

-- 171 rows of two seasons stand there twice, made shots among them
told_once as (
    select *
    from (
        select
            *,
            row_number() over (
                partition by game_id, eventnum, eventmsgtype, player1_id order by row_place
            ) as copy_number
        from named
    ) as copies
    where copy_number = 1
),

sides as (
    select
        game_id,
        max(case
            when person1type = '4' then player1_team_id when person1type = '2' then player1_id
        end) as home_team_id,
        max(case
            when person1type = '5' then player1_team_id when person1type = '3' then player1_id
        end) as away_team_id
    from told_once
    group by game_id
),

identified as (
    select
        told_once.*,
        sides.home_team_id,
        sides.away_team_id,
        -- 4 and 5 are players of the home side and the visitors, 2 and 3 the teams, 6 and 7 their coaches
        case
            when told_once.person1type in ('2', '4', '6') then sides.home_team_id
            when told_once.person1type in ('3', '5', '7') then sides.away_team_id
            when told_once.player1_id in (sides.home_team_id, sides.away_team_id)
                then told_once.player1_id
        end as team_id,
        case when told_once.person1type in ('4', '5') then nullif(told_once.player1_id, '0') end
            as player_id,
        nullif(told_once.player2_id, '0') as second_player_id,
        nullif(told_once.player3_id, '0') as third_player_id,
        -- of the two sentences of a play that of the actor; the other is the block or the steal
        coalesce(
            case
                when told_once.person1type in ('2', '4', '6') then told_once.homedescription
                when told_once.person1type in ('3', '5', '7') then told_once.visitordescription
            end,
            told_once.neutraldescription,
            told_once.homedescription,
            told_once.visitordescription,
            ''
        ) as sentence
    from told_once
    inner join sides on told_once.game_id = sides.game_id
),

typed as (
    select
        identified.*,
        case
            when exact.action_type = 'shot' or by_type.action_type = 'shot'
                then case when identified.sentence like '% 3PT %' then '3pt' else '2pt' end
            else coalesce(
                exact.action_type, by_type.action_type, 'event ' || identified.eventmsgtype
            )
        end as action_type,
        case
            when exact.action_type is not null then exact.action_subtype
            else coalesce(by_type.action_subtype, nullif(identified.eventmsgactiontype, '0'))
        end as action_subtype,
        exact.descriptor
    from identified
    left join action_types as exact
        on
            identified.eventmsgtype = exact.v2_event_type
            and identified.eventmsgactiontype = exact.v2_event_subtype
    left join action_types as by_type
        on
            identified.eventmsgtype = by_type.v2_event_type
            and by_type.v2_event_subtype is null
),

parts as (
    select
        *,
        case
            when action_type in ('2pt', '3pt')
                then case when eventmsgtype = '1' then 'Made' else 'Missed' end
            when action_type = 'freethrow'
                then case when sentence like 'MISS %' then 'Missed' else 'Made' end
        end as shot_result,
        -- what the second person of a row did
        case
            when action_type in ('2pt', '3pt') and third_player_id is not null then 'block'
            when action_type = 'turnover' and second_player_id is not null then 'steal'
            when action_type = 'substitution' then 'substitution'
            when action_type = 'foul' and descriptor = 'double' and second_player_id is not null
                then 'foul'
        end as second_type
    from typed
),

actions as (
    select
        game_id,
        row_place,
        0 as part,
        eventnum::integer as action_number_sent,
        period::smallint as period,
        split_part(pctimestring, ':', 1)::integer * 60
        + split_part(pctimestring, ':', 2)::numeric(6, 2) as seconds_remaining,
        action_type,
        case when action_type = 'substitution' then 'out' else action_subtype end as action_subtype,
        descriptor,
        -- a jump ball belongs to who gets it; a team has its id in the player's place
        case
            when action_type <> 'jumpball' then team_id
            when player3_id in (home_team_id, away_team_id) then player3_id
            else player3_team_id
        end as team_id,
        case
            when action_type <> 'jumpball' then player_id
            when person3type in ('4', '5') then third_player_id
        end as player_id,
        -- the score of a period mark or a review is at times an old one
        case
            when eventmsgtype in ('1', '3')
                then {{ safe_integer("split_part(score, ' - ', 2)") }}
        end as score_home_sent,
        case
            when eventmsgtype in ('1', '3')
                then {{ safe_integer("split_part(score, ' - ', 1)") }}
        end as score_away_sent,
        shot_result,
        -- the sentence leaves the distance out under the basket and for threes from the corner
        case
            when action_type in ('2pt', '3pt') then coalesce(
                {{ safe_float(text_match('sentence', " ([0-9]+)'' ")) }},
                case when action_type = '3pt' then 22 else 0 end
            )
        end as shot_distance_feet,
        null as shot_x_tenths_of_feet,
        null as shot_y_tenths_of_feet,
        case
            when action_type in ('2pt', '3pt') and shot_result = 'Made' then second_player_id
        end as assist_player_id,
        case when action_type in ('2pt', '3pt') then third_player_id end as block_player_id,
        case when action_type = 'turnover' then second_player_id end as steal_player_id,
        case when action_type = 'foul' and second_type is null then second_player_id end
            as foul_drawn_player_id,
        {{ safe_integer(text_match('sentence', 'Off:([0-9]+)')) }} as offensive_total,
        {{ safe_integer(text_match('sentence', 'Def:([0-9]+)')) }} as defensive_total
    from parts
    union all
    select
        game_id,
        row_place,
        1 as part,
        eventnum::integer as action_number_sent,
        period::smallint as period,
        split_part(pctimestring, ':', 1)::integer * 60
        + split_part(pctimestring, ':', 2)::numeric(6, 2) as seconds_remaining,
        second_type as action_type,
        case
            when second_type = 'substitution' then 'in'
            when second_type = 'foul' then action_subtype
        end as action_subtype,
        case when second_type = 'foul' then descriptor end as descriptor,
        case when second_type = 'block' then player3_team_id else player2_team_id end as team_id,
        case when second_type = 'block' then third_player_id else second_player_id end as player_id,
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
    where second_type is not null
)

select * from ({{ stats_service_actions('actions') }}) as completed
