"""The five database roles: every process connects as its own.

Revision 0001 of the migrations makes them; what each may do stands there and in the design's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OWNER = "clutch_owner"  # migrations: owns the schemas and the tables of `operations`
INGEST = "clutch_ingest"  # writes raw_* and the operational tables
TRANSFORM = "clutch_transform"  # dbt: reads raw_* and model_output, builds staging to analytics
MODEL = "clutch_model"  # reads analytics, writes model_output
BI = "clutch_bi"  # reads analytics, and nothing else

ALL_ROLES = (OWNER, INGEST, TRANSFORM, MODEL, BI)

SESSION_SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {BI: MappingProxyType({"search_path": "analytics", "default_transaction_read_only": "on"})}
)
"""Server settings a session of a role starts with.

Revision 0001 ties them to the role as well, but the server applies those only to a session that
*logs in* as the role, not to one that takes the role after logging in as the user of
``DATABASE_URL``.
"""
