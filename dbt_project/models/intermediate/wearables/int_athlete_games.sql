-- Grain: one row per athlete who connected a wearable, and game that he was listed for or that comes up for his team.
{{ refilled_table() }}

with athletes as (
    select
        player_id,
        max(last_sync_at) as last_sync_at
    from {{ ref('stg_operations__wearable_devices') }}
    group by player_id
),

games as (
    select * from {{ ref('int_games_described') }}
),

box_scores as (
    select * from {{ ref('stg_nba__games') }}
),

listed as (
    select
        players.player_id,
        players.game_id,
        players.team_id,
        players.has_played
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join athletes on players.player_id = athletes.player_id
    union all
    -- games without a box score: who acts in one was there
    select
        players.player_id,
        players.game_id,
        players.team_id,
        true as has_played
    from {{ ref('stg_nba__playbyplay_players') }} as players
    inner join athletes on players.player_id = athletes.player_id
),

appearances as (
    select
        player_id,
        game_id,
        max(team_id) as team_id,
        max(case when has_played then 1 else 0 end) = 1 as has_played
    from listed
    group by player_id, game_id
),

last_actions as (
    select
        actions.game_id,
        max(actions.action_timestamp) as last_action_at
    from {{ ref('int_actions_sequenced') }} as actions
    where actions.game_id in (select appearances.game_id from appearances)
    group by actions.game_id
),

played as (
    select
        appearances.player_id,
        appearances.game_id,
        appearances.team_id,
        appearances.has_played,
        games.season,
        games.tipoff_at,
        games.arena_timezone,
        -- before the end nothing tells how long it will take
        greatest(
            last_actions.last_action_at,
            games.tipoff_at + interval '1 minute' * coalesce(
                box_scores.duration_minutes, {{ var('game_duration_minutes') }}
            )
        ) as game_ends_at,
        row_number() over (
            partition by appearances.player_id
            order by games.season desc, games.tipoff_at desc nulls last, games.game_id desc
        ) as recency
    from appearances
    inner join games on appearances.game_id = games.game_id
    left join box_scores on appearances.game_id = box_scores.game_id
    left join last_actions on appearances.game_id = last_actions.game_id
),

upcoming as (
    select
        played.player_id,
        fixtures.game_id,
        played.team_id,
        fixtures.season,
        fixtures.tipoff_at,
        fixtures.arena_timezone
    from {{ ref('stg_nba__scheduled_games') }} as fixtures
    inner join played
        on
            played.recency = 1
            and played.team_id in (fixtures.home_team_id, fixtures.away_team_id)
    inner join athletes on played.player_id = athletes.player_id
    cross join {{ ref('int_observation_time') }} as clock
    left join games on fixtures.game_id = games.game_id
    where
        games.game_id is null
        and not fixtures.is_postponed
        -- a game that is being played is loaded within minutes; where that fails it stays here for some hours
        and fixtures.tipoff_at
        > greatest(clock.observed_at, athletes.last_sync_at) - interval '6 hours'
        and fixtures.tipoff_at
        < greatest(clock.observed_at, athletes.last_sync_at)
        + interval '{{ var("upcoming_games_hours") }} hours'
)

select
    player_id,
    game_id,
    team_id,
    season,
    tipoff_at,
    arena_timezone,
    game_ends_at,
    has_played,
    false as is_upcoming
from played
union all
select
    player_id,
    game_id,
    team_id,
    season,
    tipoff_at,
    arena_timezone,
    tipoff_at + interval '1 minute' * {{ var('game_duration_minutes') }} as game_ends_at,
    false as has_played,
    true as is_upcoming
from upcoming
