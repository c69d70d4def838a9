-- Grain: one row.
select may_see_groups
from {{ source('operations', 'reader_groups') }}
