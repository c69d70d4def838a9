{#-
The win probability formula in SQL; modeling/win_probability/model.py fits the same one, and a test holds the two together.
Every constant is float8: bare decimals would run as numeric, eight times slower.
-#}

{#- What is left, with the time left, of a term that fades; Postgres refuses an exp() too small to be told from 0. -#}
{% macro fading(scale) -%}
    exp(-least(states.seconds_left / model.{{ scale }}, 50::float8))
{%- endmacro %}

{#- Expected final lead of the home side (points) but for its margin: a column of `states` joined with `model`. -#}
{% macro expected_lead_beyond_margin() -%}
    (
        model.free_throw * states.home_pending_free_throws
        + (model.held + model.held_late * {{ fading('held_late_seconds') }})
        * (1::float8 - {{ fading('buzzer_seconds') }})
        * states.ball_side
        * case
            when states.is_loose_after_shot then model.loose_after_shot
            when states.is_loose_after_free_throw then model.loose_after_free_throw
            else 1::float8
        end
        + model.strength
        * case when states.is_overtime then model.overtime_strength else 1::float8 end
        * (states.seconds_left / 2880::float8 + model.after_regulation)
    )
{%- endmacro %}

{#- Spread of the final lead (points). -#}
{% macro spread_of_lead() -%}
    sqrt(
        case
            when states.is_overtime then model.overtime_pace * model.overtime_pace
            else model.pace * model.pace
        end * (states.seconds_left / 2880::float8)
        + model.doubt * model.doubt
        * (states.seconds_left / 2880::float8) * (states.seconds_left / 2880::float8)
        + model.last_shots * model.last_shots
        * (1::float8 - {{ fading('buzzer_seconds') }})
        + model.buzzer * model.buzzer
        + model.free_throw_variance * abs(states.home_pending_free_throws)
    )
{%- endmacro %}

{#- Expected lead in units of its spread, at this margin of the home side. -#}
{% macro standardised_lead(margin) -%}
    (
        (
            {{ margin }}
            + terms.step_fade * case {{ margin }}
                when 1 then terms.step_1 when -1 then -terms.step_1
                when 2 then terms.step_2 when -2 then -terms.step_2
                when 3 then terms.step_3 when -3 then -terms.step_3
                else 0::float8
            end
            + terms.lead_beyond_margin
        ) / terms.spread
    )
{%- endmacro %}

{#- Probability of winning from the expected lead in units of its spread. -#}
{% macro normal_probability(z) -%}
    1::float8 / (1::float8 + exp(-least(greatest(
        {{ z }} * (1.5976::float8 + 0.07056598::float8 * {{ z }} * {{ z }}), -15::float8
    ), 15::float8)))
{%- endmacro %}

{#-
Ends a step whose columns later steps use more than once. Left to itself Postgres writes each of them out wherever it is used, and the
exponentials of a state were taken some eighty times: four seasons took 61 s instead of 16.
-#}
{% macro computed_once() -%}
    {{ return(adapter.dispatch('computed_once')()) }}
{%- endmacro %}

{% macro default__computed_once() -%}
{%- endmacro %}

{% macro postgres__computed_once() -%}
    offset 0
{%- endmacro %}
