{#-
The last step from rows of the stats service to actions, the same for its two forms.

parts: a relation with one row per action (game_id, row_place, part, the columns of stg_nba__actions but the order,
and as sent: score_home_sent and score_away_sent, null where the row does not tell the score; offensive_total and
defensive_total, the rebounder's running totals from the sentence).
-#}
{% macro stats_service_actions(parts) -%}
with carried as (
    select
        *,
        -- the last score told and the last miss each open a group, whose first row has what the others lack
        count(score_home_sent) over game_so_far as score_group,
        count(case when shot_result = 'Missed' then 1 end) over game_so_far as miss_group,
        max(offensive_total) over player_before as offensive_total_before,
        max(defensive_total) over player_before as defensive_total_before
    from {{ parts }}
    window
        game_so_far as (partition by game_id order by row_place, part),
        player_before as (
            partition by game_id, player_id order by row_place, part
            rows between unbounded preceding and 1 preceding
        )
),

filled as (
    select
        *,
        max(score_home_sent) over (partition by game_id, score_group) as score_home,
        max(score_away_sent) over (partition by game_id, score_group) as score_away,
        max(case when shot_result = 'Missed' then team_id end) over (
            partition by game_id, miss_group
        ) as miss_team_id,
        row_number() over (
            partition by game_id, action_number_sent, action_type, player_id order by row_place, part
        ) as same_number
    from carried
)

select
    game_id,
    (row_place * 10 + part)::integer as order_number,
    -- a number that occurs twice for the same thing is made another, far from all others
    (action_number_sent + 10000 * (same_number - 1))::integer as action_number,
    period::smallint as period,
    seconds_remaining::numeric(8, 2) as seconds_remaining,
    null::timestamptz as recorded_at,
    null::timestamptz as edited_at,
    action_type,
    case
        when action_type <> 'rebound' then action_subtype
        when offensive_total > coalesce(offensive_total_before, 0) then 'offensive'
        when defensive_total > coalesce(defensive_total_before, 0) then 'defensive'
        -- a rebound of the team has no totals
        when team_id = miss_team_id then 'offensive'
        else 'defensive'
    end as action_subtype,
    descriptor,
    null::text as qualifiers,
    team_id,
    player_id,
    null::text as possession_team_id,
    coalesce(score_home, 0)::smallint as score_home,
    coalesce(score_away, 0)::smallint as score_away,
    action_type in ('2pt', '3pt') as is_field_goal_attempt,
    shot_result,
    shot_distance_feet::float8 as shot_distance_feet,
    shot_x_tenths_of_feet::integer as shot_x_tenths_of_feet,
    shot_y_tenths_of_feet::integer as shot_y_tenths_of_feet,
    null::integer as shot_action_number,
    assist_player_id,
    block_player_id,
    steal_player_id,
    foul_drawn_player_id
from filled
{%- endmacro %}
