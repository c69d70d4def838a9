-- Grain: one row per game with a play-by-play.
-- The game as a whole: where it began, how it ended, how much it swung, and how much of it is credited to players.
{{ incremental_by_game(versions='int_game_strength_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_strength_versions')) }}
),

games as (
    select games.*
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

actions as (
    select
        win_probability.*,
        row_number() over (
            partition by win_probability.game_id
            order by win_probability.period, win_probability.order_number
        ) as place
    from {{ ref('win_probability') }} as win_probability
    inner join changed_games on win_probability.game_id = changed_games.game_id
),

of_actions as (
    select
        game_id,
        max(case when place = 1 then home_win_probability_before end)
            as pregame_home_win_probability,
        -- in the order of the game: a sum in another order differs in its last digits
        sum(home_win_probability_added order by place) as home_win_probability_added,
        sum(abs(home_win_probability_added) order by place) as total_swing,
        min(home_win_probability) as home_lowest,
        max(home_win_probability) as home_highest,
        min(model_version) as model_version
    from actions
    group by game_id
),

of_players as (
    select
        credits.game_id,
        sum(
            case
                when credits.team_id = games.home_team_id then credits.win_probability_added
                else 0
            end
            order by credits.action_id
        ) as credited_to_home_players,
        sum(
            case
                when credits.team_id = games.away_team_id then credits.win_probability_added
                else 0
            end
            order by credits.action_id
        ) as credited_to_away_players
    from {{ ref('win_probability_credits') }} as credits
    inner join games on credits.game_id = games.game_id
    group by credits.game_id
)

select
    games.game_id,
    of_actions.pregame_home_win_probability,
    case when games.is_final then games.home_score > games.away_score end as has_home_won,
    of_actions.home_win_probability_added,
    of_actions.total_swing,
    -- how far down the winner was
    case
        when not games.is_final then null
        when games.home_score > games.away_score then of_actions.home_lowest
        else 1::float8 - of_actions.home_highest
    end as lowest_win_probability_of_winner,
    coalesce(of_players.credited_to_home_players, 0::float8) as credited_to_home_players,
    coalesce(of_players.credited_to_away_players, 0::float8) as credited_to_away_players,
    of_actions.model_version
from games
inner join of_actions on games.game_id = of_actions.game_id
left join of_players on games.game_id = of_players.game_id
