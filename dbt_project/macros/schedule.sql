{#- Fields of the league's schedule. What cannot be read is null: one odd game must not stop the build. -#}

{#- A point in time from 2024-04-14T19:30:00Z; null for year 1, which the league writes for a time to be determined. -#}
{% macro schedule_timestamp(text_expression) -%}
    {{ return(adapter.dispatch('schedule_timestamp')(text_expression)) }}
{%- endmacro %}

{% macro default__schedule_timestamp(text_expression) -%}
    case
        when
            {{ text_expression }}
            ~ '^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'
            or {{ text_expression }}
            ~ '^(19|20)[0-9]{2}-((0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'
            or {{ text_expression }}
            ~ '^(19|20)([02468][048]|[13579][26])-02-29T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'
            then ({{ text_expression }})::timestamptz
    end
{%- endmacro %}

{#- A calendar date from either form: 2023-10-24T00:00:00Z or 10/24/2023 00:00:00. -#}
{% macro schedule_date(text_expression) -%}
    {{ return(adapter.dispatch('schedule_date')(text_expression)) }}
{%- endmacro %}

{% macro default__schedule_date(text_expression) -%}
    ((
        case
            when {{ text_expression }} ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}'
                then {{ schedule_timestamp("(substr(" ~ text_expression ~ ", 1, 10) || 'T00:00:00Z')") }}
            when {{ text_expression }} ~ '^[0-9]{2}/[0-9]{2}/[0-9]{4}'
                then {{ schedule_timestamp(
                    "(substr(" ~ text_expression ~ ", 7, 4) || '-' || substr(" ~ text_expression
                    ~ ", 1, 2) || '-' || substr(" ~ text_expression ~ ", 4, 2) || 'T00:00:00Z')"
                ) }}
        end
    ) at time zone 'UTC')::date
{%- endmacro %}

{#- One hash over several values; null and empty text count as equal. -#}
{% macro row_hash(expressions) -%}
    md5(
        {%- for expression in expressions %}
        coalesce(({{ expression }})::text, '') || '|'
        {%- if not loop.last %} ||{% endif %}
        {%- endfor %}
    )
{%- endmacro %}

{#- Rows that another definition of the model made; a change of any model, rule table or var reads all versions again. -#}
{% macro forget_other_definitions() -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where made_by <> '{{ transformation_fingerprint() }}'
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}

{#-
When a good answer about a raw table's kind of record last came, for `dbt source freshness`. `fetched_at` cannot say
it: content that has not changed adds no row.

The schedule is read on every run. A game's resource is read when there is a game to read: it counts as read with the
schedule as long as no listed game was due since. A second source is read where the first lacks a game, so every run
that read the schedule decided on it. What was never read is not stale: there was no need, or it is not loaded that way.

of: 'schedule', 'game' or 'second_source'
-#}
{% macro nba_last_read(resource, of) -%}
    with own as (
        select max(last_read_at) as last_read_at
        from operations.nba_last_reads
        where resource = '{{ resource }}'
    ),

    schedule as (
        select max(last_read_at) as last_read_at
        from operations.nba_last_reads
        where resource = 'schedule'
    )
    {%- if of == 'game' %},

    newest as (
        select
            payload,
            row_number() over (partition by season order by fetched_at desc) as recency
        from raw_nba.schedule
    ),

    due as (
        select {{ schedule_timestamp(json_text('game.value', 'gameDateTimeUTC')) }} as tipoff_at
        from newest
        {{ json_each(json_path('newest.payload', ['leagueSchedule', 'gameDates']), 'game_date') }}
        {{ json_each(json_path('game_date.value', ['games']), 'game') }}
        where
            newest.recency = 1
            and substr({{ json_text('game.value', 'gameId') }}, 3, 1) in ('2', '4', '5', '6')
    )
    {%- endif %}

    select coalesce(
        {%- if of == 'schedule' %}
        own.last_read_at,
        {%- elif of == 'second_source' %}
        greatest(own.last_read_at, schedule.last_read_at),
        {%- else %}
        case
            when exists (
                -- three hours: a game that was being played when it was read is due again
                select 1 from due
                where
                    due.tipoff_at > own.last_read_at - interval '3 hours'
                    and due.tipoff_at < current_timestamp - interval '3 hours'
            ) then own.last_read_at
            else greatest(own.last_read_at, schedule.last_read_at)
        end,
        {%- endif %}
        current_timestamp
    ) as last_read_at
    from own
    cross join schedule
{%- endmacro %}
