{#-
Expected points in stages (docs/methods/expected_points.md): the rate of the distance, then what the league's earlier
shots say about direction and clock, then what the shooter's do, then how the league shoots just now, or at the end of games.
Every stage is judged by the stage before it, and every figure comes from games that had ended.
-#}

{#- The probability that a shot is made, as far as the stages named tell it. -#}
{% macro rated_probability(stages) -%}
    1 / (1 + exp(-(
            ln(rates.make_rate / (1 - rates.make_rate))
            {%- if 'place' in stages %}
            + coalesce(angles.adjustment, 0) + coalesce(clocks.adjustment, 0)
            {%- endif %}
            {%- if 'shooter' in stages %}
            + coalesce(shooters.adjustment, 0)
            {%- endif %}
            {%- if 'moment' in stages %}
            + coalesce(moments.adjustment, 0)
            {%- endif %}
        )))
{%- endmacro %}

{#-
Shots of the changed games, each with the probability to be made as far as the stages named tell it; null for a free
throw, without a distance and without a date.

stages: any of 'place', 'shooter', 'moment', after the rate of the distance.
with_average: whether the same for an average shooter stands beside it, all the stages but 'shooter'.
-#}
{% macro shots_rated(stages=[], with_average=false) -%}
    select
        shots.*,
        {%- if with_average %}
        {{ rated_probability(stages | reject('equalto', 'shooter') | list) }}
            as average_probability,
        {%- endif %}
        {{ rated_probability(stages) }} as rated_probability
    from {{ ref('int_shots') }} as shots
    inner join changed_games on shots.game_id = changed_games.game_id
    left join {{ ref('int_shot_make_rates') }} as rates
        on
            shots.utc_date = rates.utc_date
            and shots.shot_value = rates.shot_value
            and shots.half_feet = rates.half_feet
    {%- if 'place' in stages %}
    left join {{ ref('int_shot_place_adjustments') }} as angles
        on shots.utc_date = angles.utc_date and shots.angle_cell = angles.cell
    left join {{ ref('int_shot_place_adjustments') }} as clocks
        on shots.utc_date = clocks.utc_date and shots.clock_cell = clocks.cell
    {%- endif %}
    {%- if 'shooter' in stages %}
    left join {{ ref('int_shot_shooter_adjustments') }} as shooters
        on
            shots.game_id = shooters.game_id
            and shots.player_id = shooters.player_id
            and shots.shot_range = shooters.shot_range
    {%- endif %}
    {%- if 'moment' in stages %}
    left join {{ ref('int_shot_moment_adjustments') }} as moments
        on shots.utc_date = moments.utc_date and shots.moment_cell = moments.cell
    {%- endif %}
{%- endmacro %}

{#-
Sums over shots that a later stage needs: by how much they beat their probability, and p (1 - p), how much they can tell.
In whole millionths, because sums of floating numbers depend on the order in which they are added. A game in progress has
adjustments, it adds nothing to them.
-#}
{% macro residual_sums() -%}
    sum(case
        when is_counted
            then round(
                ((case when is_made then 1 else 0 end) - rated_probability) * 1000000
            )::integer
        else 0
    end)::integer as residual_millionths,
    sum(case
        when is_counted
            then round(rated_probability * (1 - rated_probability) * 1000000)::integer
        else 0
    end)::integer as information_millionths
{%- endmacro %}

{#- The adjustment on the logit that such sums of the known games come to, pulled to zero. -#}
{% macro logit_adjustment(window_name, weight) -%}
    coalesce(sum(residual_millionths) over {{ window_name }}, 0)::float8
    / (
        coalesce(sum(information_millionths) over {{ window_name }}, 0)
        + {{ weight }} * 1000000
    )::float8
{%- endmacro %}

{#- A frame of earlier days: games that had surely ended, back to so many days before. -#}
{% macro known_days(days) -%}
    range between interval '{{ days }} days' preceding
    and interval '{{ var("expected_points_lag_days") }} days' preceding
{%- endmacro %}

{#- Number of the step of time left in a period, 0 for the last moment. -#}
{% macro clock_step(seconds) -%}
    case
    {%- for edge in var('expected_points_clock_edges') %}
        when {{ seconds }} <= {{ edge }} then {{ loop.index0 }}
    {%- endfor %}
        else {{ var('expected_points_clock_edges') | length }}
    end
{%- endmacro %}

{#- The texts of all rows of a window as one text, in its order. -#}
{% macro joined_text_over(text_expression, window_name) -%}
    {{ return(adapter.dispatch('joined_text_over')(text_expression, window_name)) }}
{%- endmacro %}

{% macro default__joined_text_over(text_expression, window_name) -%}
    string_agg({{ text_expression }}, ',') over {{ window_name }}
{%- endmacro %}
