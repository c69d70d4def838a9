-- Clutch time and plus-minus rest on the five players a side: at anything but a substitution there must be five.
-- A warning, not an error: a substitution that the scorer forgot must be seen, it must not stop the build.
{{ config(severity='warn') }}

select
    game_id,
    order_number,
    team_id,
    players
from {{ ref('int_clutch_floor_violations') }}
