-- Grain: one row per dated game, played or coming up within two days.
-- How strong the two sides were before it, from games that had ended by then: a rating of each team, what playing at home was
-- worth, and rest (docs/methods/win_probability.md). A rating is a mean of margins: later games weigh more, last season's less, an
-- imagined mean team more than nothing. Twice: plain, then with the opponents' plain ratings of their day. A game that comes up
-- is told the same and tells nothing: it changes no value of a game that was played.
{{ config(indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with games as (
    select
        game_id,
        season,
        tipoff_at,
        utc_date,
        game_date,
        playoff_game,
        home_team_id,
        away_team_id,
        substr(season, 1, 4)::integer as season_first_year,
        is_final or {{ var('include_live_games') }} as is_counted,
        least(greatest(
            home_score - away_score, -{{ var('rating_margin_cap') }}
        ), {{ var('rating_margin_cap') }}) as home_margin,
        false as is_upcoming
    from {{ ref('int_games_described') }}
    -- without a time nobody can tell what came before
    where tipoff_at is not null
    union all
    select
        game_id,
        season,
        tipoff_at,
        utc_date,
        game_date,
        playoff_game,
        home_team_id,
        away_team_id,
        substr(season, 1, 4)::integer as season_first_year,
        false as is_counted,
        0 as home_margin,
        true as is_upcoming
    from {{ ref('int_upcoming_games') }}
),

-- a neutral court says nothing, and the playoffs have the better side at home more often
home_margins as (
    select
        utc_date,
        sum(case when is_counted and not playoff_game then home_margin else 0 end) as margin,
        sum(case when is_counted and not playoff_game then 1 else 0 end) as games
    from games
    group by utc_date
),

home_edges as (
    select
        utc_date,
        (
            (
                coalesce(sum(margin) over known_games, 0)
                + {{ var('home_edge_prior_points') }} * {{ var('home_edge_prior_games') }}
            )
            / (coalesce(sum(games) over known_games, 0) + {{ var('home_edge_prior_games') }})
        )::numeric(6, 4) as home_edge_points
    from home_margins
    window known_games as (
        order by utc_date
        range between
        interval '{{ var("home_edge_window_days") }} days' preceding
        and interval '{{ var("expected_points_lag_days") }} days' preceding
    )
),

edged as (
    select
        games.*,
        home_edges.home_edge_points
    from games
    inner join home_edges on games.utc_date = home_edges.utc_date
),

team_games as (
    select
        *,
        home_team_id as team_id,
        away_team_id as opponent_id,
        (home_margin - home_edge_points)::float8 as margin
    from edged
    union all
    select
        *,
        away_team_id as team_id,
        home_team_id as opponent_id,
        (home_edge_points - home_margin)::float8 as margin
    from edged
),

placed as (
    select
        *,
        -- a game in progress has a rating, it adds nothing to one
        coalesce(sum(case when is_counted then 1 else 0 end) over earlier_games, 0)
            as games_before,
        game_date - case
            -- a game of tonight that is still to be played makes tomorrow's a back-to-back
            when is_upcoming then max(game_date) over earlier_games
            else lag(game_date) over (partition by team_id, is_upcoming order by tipoff_at, game_id)
        end as rest_days
    from team_games
    window earlier_games as (
        partition by team_id order by tipoff_at, game_id
        rows between unbounded preceding and 1 preceding
    )
),

weighed as (
    select
        *,
        power({{ var('rating_game_decay') }}::float8, games_before)
        * power({{ var('rating_season_decay') }}::float8, season_first_year - 2000) as fading,
        case when is_counted then 1 else 0 end::float8
        / power({{ var('rating_game_decay') }}::float8, games_before + 1)
        / power({{ var('rating_season_decay') }}::float8, season_first_year - 2000) as weight
    from placed
),

plainly_rated as (
    select
        *,
        coalesce(fading * sum(weight * margin) over earlier_games, 0)
        / (
            coalesce(fading * sum(weight) over earlier_games, 0)
            + {{ var('rating_prior_games') }}::float8
        ) as plain_rating
    from weighed
    window earlier_games as (
        partition by team_id order by tipoff_at, game_id
        rows between unbounded preceding and 1 preceding
    )
),

opposed as (
    select
        plainly_rated.*,
        plainly_rated.margin + opponents.plain_rating as margin_over_mean_team
    from plainly_rated
    inner join plainly_rated as opponents
        on
            plainly_rated.game_id = opponents.game_id
            and plainly_rated.opponent_id = opponents.team_id
),

rated as (
    select
        game_id,
        team_id,
        games_before,
        rest_days,
        (
            coalesce(fading * sum(weight * margin_over_mean_team) over earlier_games, 0)
            / (
                coalesce(fading * sum(weight) over earlier_games, 0)
                + {{ var('rating_prior_games') }}::float8
            )
        )::numeric(7, 4) as rating
    from opposed
    window earlier_games as (
        partition by team_id order by tipoff_at, game_id
        rows between unbounded preceding and 1 preceding
    )
)

select
    edged.game_id,
    home.rating as home_rating,
    away.rating as away_rating,
    edged.home_edge_points,
    home.games_before::integer as home_games_before,
    away.games_before::integer as away_games_before,
    home.rest_days as home_rest_days,
    away.rest_days as away_rest_days,
    coalesce(home.rest_days = 1, false) as is_home_back_to_back,
    coalesce(away.rest_days = 1, false) as is_away_back_to_back,
    edged.is_upcoming
from edged
inner join rated as home on edged.game_id = home.game_id and edged.home_team_id = home.team_id
inner join rated as away on edged.game_id = away.game_id and edged.away_team_id = away.team_id
