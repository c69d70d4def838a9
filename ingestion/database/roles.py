"""The database roles: every process connects as its own, and so does every kind of reader.

Revisions 0001 and 0010 of the migrations make them; what each may do stands there, and column by
column in :mod:`ingestion.privacy.access`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OWNER = "clutch_owner"  # migrations: owns the schemas and the tables of `operations`
INGEST = "clutch_ingest"  # writes raw_* and the operational tables
TRANSFORM = "clutch_transform"  # dbt: reads raw_* and model_output, builds staging to analytics
MODEL = "clutch_model"  # reads analytics, writes model_output
BI = "clutch_bi"  # reads analytics, without any athlete's own values

# Audiences: as BI, and the values of athletes who allow that audience what is asked for.
MEDICAL = "clutch_medical"
PERFORMANCE = "clutch_performance"
COACHES = "clutch_coaches"
FRONT_OFFICE = "clutch_front_office"  # contracts, trades, agents: as BI, no figure of any body
ANALYST = "clutch_analyst"  # nights under pseudonyms, figures of groups, and nothing else

FIRST_ROLES = (OWNER, INGEST, TRANSFORM, MODEL, BI)
"""Those of revision 0001."""

READERS = (MEDICAL, PERFORMANCE, COACHES, FRONT_OFFICE, ANALYST)
"""Those of revision 0010."""

ALL_ROLES = (*FIRST_ROLES, *READERS)

AUDIENCES: Mapping[str, str] = MappingProxyType(
    {MEDICAL: "medical_staff", PERFORMANCE: "performance_staff", COACHES: "coaches"}
)
"""The audience of the consent ledger that each role is."""

_READING = MappingProxyType({"search_path": "analytics", "default_transaction_read_only": "on"})

SESSION_SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    dict.fromkeys((BI, *READERS), _READING)
)
"""Server settings a session of a role starts with.

Those revisions tie them to the role as well, but the server applies those only to a session that
*logs in* as the role, not to one that takes the role after logging in as the user of
``DATABASE_URL``.
"""
