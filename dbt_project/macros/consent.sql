{#-
Rows of athletes are shown while they permit it, at the moment of reading: row security on the tables that hold them, whatever the
last build left there. `wearables_permissions` is a view on the consent ledger. The role that builds owns the tables and sees all.
-#}
{% macro shown_by_consent() -%}
    {{ config(post_hook="{{ enable_consent_rows() }}") }}
{%- endmacro %}

{#- On an engine without row security nothing is enforced here: there the views of the marts are all that may be granted. -#}
{% macro enable_consent_rows() -%}
    {{ return(adapter.dispatch('enable_consent_rows', 'clutch')()) }}
{%- endmacro %}

{% macro default__enable_consent_rows() -%}select 1{%- endmacro %}

{% macro postgres__enable_consent_rows() -%}
    {%- set permitted = ref('wearables_permissions') -%}
    do $policy$
    begin
        if not exists (
            select from pg_policies
            where schemaname = '{{ this.schema }}' and tablename = '{{ this.identifier }}' and policyname = 'while_permitted'
        ) then
            create policy while_permitted on {{ this }} for select using (
                device_id in (select permitted.device_id from {{ permitted }} as permitted where permitted.is_readable)
                or (
                    device_id is null
                    and player_id in (select permitted.player_id from {{ permitted }} as permitted where permitted.is_readable)
                )
            );
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
