-- Grain: one row per action and player credited with win probability.
-- Every action stands on two accounts, that of its side and with the opposite sign that of the other: what is credited on an
-- account is what the action added to it or nothing, and then it stays with the team (docs/methods/win_probability.md).
{{ incremental_by_game(versions='int_game_strength_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_strength_versions')) }}
),

rules as (
    select * from {{ ref('win_probability_credit_rules') }}
),

games as (
    select games.*
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

probabilities as (
    select
        win_probability.game_id,
        win_probability.order_number,
        win_probability.action_number,
        win_probability.period,
        win_probability.is_clutch,
        win_probability.leverage,
        win_probability.home_win_probability_added,
        lag(win_probability.home_win_probability_added, 1, 0::float8) over game_so_far
            as added_by_action_before,
        lag(win_probability.leverage) over game_so_far as leverage_of_action_before
    from {{ ref('win_probability') }} as win_probability
    inner join changed_games on win_probability.game_id = changed_games.game_id
    window game_so_far as (
        partition by win_probability.game_id
        order by win_probability.period, win_probability.order_number
    )
),

credits as (
    select
        probabilities.*,
        rules.credit_type,
        rules.share_rule,
        actions.is_made and actions.assist_player_id is not null as is_assisted,
        case rules.credit_column
            when 'assist_player_id' then actions.assist_player_id
            when 'foul_drawn_player_id' then actions.foul_drawn_player_id
            else actions.player_id
        end as player_id,
        case
            when rules.side = 'own' then actions.team_id
            when actions.team_id = games.home_team_id then games.away_team_id
            else games.home_team_id
        end as team_id,
        games.home_team_id
    from {{ ref('int_actions_sequenced') }} as actions
    inner join games on actions.game_id = games.game_id
    inner join rules on actions.action_type = rules.action_type
    inner join probabilities
        on
            actions.game_id = probabilities.game_id
            and actions.order_number = probabilities.order_number
)

select
    game_id || '-' || lpad(action_number::text, greatest(4, length(action_number::text)), '0')
    || '-' || credit_type || '-' || player_id as action_id,
    game_id,
    order_number,
    action_number,
    period,
    player_id,
    team_id,
    credit_type,
    case when team_id = home_team_id then 1::float8 else -1::float8 end
    * case share_rule
        when 'pass' then {{ var('win_probability_assist_share') }}::float8
        when 'shot'
            then case
                when is_assisted then 1::float8 - {{ var('win_probability_assist_share') }}::float8
                else 1::float8
            end
        else 1::float8
    end
    * case share_rule
        when 'action_before' then added_by_action_before
        else home_win_probability_added
    end as win_probability_added,
    case share_rule
        when 'action_before' then leverage_of_action_before
        else leverage
    end as leverage,
    is_clutch
from credits
where
    player_id is not null
    and (share_rule <> 'pass' or is_assisted)
