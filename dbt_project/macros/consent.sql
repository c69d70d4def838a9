{#-
Rows of athletes are shown while they permit it, at the moment of reading: row security on the tables that hold them, whatever the
last build left there. `wearables_permissions` is a view on the consent ledger that knows who asks and what for. Each read is noted first
(operations.note_wearable_read, which also refuses a session without a purpose). The role that builds owns the tables and sees all.
-#}
{% macro shown_by_consent() -%}
    {{ config(post_hook="{{ enable_consent_rows() }}") }}
{%- endmacro %}

{#- On an engine without row security nothing is enforced here: there the views of the marts are all that may be granted. -#}
{% macro enable_consent_rows() -%}
    {{ return(adapter.dispatch('enable_consent_rows', 'clutch')()) }}
{%- endmacro %}

{% macro default__enable_consent_rows() -%}select 1{%- endmacro %}

{#- Policies are told apart by a hash of their text: another text replaces the one that an earlier build left. -#}
{% macro postgres__enable_consent_rows() -%}
    {%- set permitted = ref('wearables_permissions') -%}
    {%- set condition -%}
        case
            when (select operations.note_wearable_read('{{ this.identifier }}')) then
                -- One set, made once a statement and looked up by key: as a subquery it would cost the planner its index joins.
                -- A date or game without a night has no account: any one of his will do.
                coalesce(
                    (
                        select jsonb_object_agg(permitted.device_id, true) || jsonb_object_agg('player ' || permitted.player_id, true)
                        from {{ permitted }} as permitted
                    ) ? coalesce(device_id, 'player ' || player_id),
                    false
                )
            else false
        end
    {%- endset -%}
    {%- set policy_name = 'while_permitted_' ~ local_md5(condition)[:8] -%}
    do $policy$
    declare
        old_policy text;
    begin
        if not exists (
            select from pg_policies
            where schemaname = '{{ this.schema }}' and tablename = '{{ this.identifier }}' and policyname = '{{ policy_name }}'
        ) then
            for old_policy in
                select policyname from pg_policies
                where schemaname = '{{ this.schema }}' and tablename = '{{ this.identifier }}'
            loop
                execute format('drop policy %I on {{ this }}', old_policy);
            end loop;
            create policy {{ policy_name }} on {{ this }} for select using ({{ condition }});
            alter table {{ this }} enable row level security;
        end if;
    end
    $policy$
{%- endmacro %}

{#- A view that looks with its reader's rights, so that row security below it holds for him. -#}
{% macro with_readers_rights() -%}
    {{ config(post_hook="{{ use_readers_rights() }}") }}
{%- endmacro %}

{% macro use_readers_rights() -%}
    {{ return(adapter.dispatch('use_readers_rights', 'clutch')()) }}
{%- endmacro %}

{% macro default__use_readers_rights() -%}select 1{%- endmacro %}

{% macro postgres__use_readers_rights() -%}alter view {{ this }} set (security_invoker = true){%- endmacro %}

{#- A view that itself leaves out rows: no condition of the reader's is asked of a row before that (its errors would tell the row). -#}
{% macro behind_a_barrier() -%}
    {{ config(post_hook="{{ use_a_barrier() }}") }}
{%- endmacro %}

{% macro use_a_barrier() -%}
    {{ return(adapter.dispatch('use_a_barrier', 'clutch')()) }}
{%- endmacro %}

{% macro default__use_a_barrier() -%}select 1{%- endmacro %}

{% macro postgres__use_a_barrier() -%}alter view {{ this }} set (security_barrier = true){%- endmacro %}

{#- Condition of such a view: the read is noted, once a statement, before any row is looked at. -#}
{% macro read_is_noted() -%}
    {{ return(adapter.dispatch('read_is_noted', 'clutch')()) }}
{%- endmacro %}

{% macro default__read_is_noted() -%}true{%- endmacro %}

{% macro postgres__read_is_noted() -%}(select operations.note_wearable_read('{{ this.identifier }}')){%- endmacro %}

{#- For the role of pseudonymous research, which reads nothing else; `alone`: for nobody but that role. -#}
{% macro readable_by_analysts(alone=false) -%}
    {{ config(post_hook="{{ grant_to_analysts(" ~ alone ~ ") }}") }}
{%- endmacro %}

{% macro grant_to_analysts(alone) -%}
    {{ return(adapter.dispatch('grant_to_analysts', 'clutch')(alone)) }}
{%- endmacro %}

{% macro default__grant_to_analysts(alone) -%}select 1{%- endmacro %}

{% macro postgres__grant_to_analysts(alone) -%}
    {%- if alone -%}
        revoke select on {{ this }} from
        clutch_model, clutch_bi, clutch_medical, clutch_performance, clutch_coaches, clutch_front_office;
    {% endif -%}
    grant select on {{ this }} to clutch_analyst
{%- endmacro %}
