"""Ask the metrics of the semantic layer as any role: MetricFlow writes the SQL, we send it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.postgres import PostgresSQLSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.dbt_runs import semantic_manifest


class _Dialect:
    """What MetricFlow asks a connection for in order to write SQL."""

    sql_engine_type = SqlEngine.POSTGRES
    sql_plan_renderer = PostgresSQLSqlPlanRenderer()


class Metrics:
    """Metrics of a built database.

    Args:
        settings: The database.
        target: Folder for what dbt writes.
    """

    def __init__(self, settings: Settings, target: Path) -> None:
        self._settings = settings
        manifest = parse_manifest_from_dbt_generated_manifest(semantic_manifest(settings, target))
        self.names = {metric.name for metric in manifest.metrics}
        self._engine = MetricFlowEngine(SemanticManifestLookup(manifest), _Dialect())

    def sql(self, metrics: Sequence[str], by: Sequence[str], where: str | None = None) -> str:
        """The SELECT for metrics by dimensions; columns are the dimensions, then the metrics."""
        asked = MetricFlowQueryRequest.create(
            metric_names=list(metrics),
            group_by_names=list(by),
            where_constraints=None if where is None else [where],
        )
        return str(self._engine.explain(asked).sql_statement.sql)

    def ask(
        self,
        role: str,
        metrics: Sequence[str],
        by: Sequence[str] = (),
        *,
        where: str | None = None,
        purpose: str | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of metrics by dimensions, as a role reads them."""
        with connect(self._settings, role, purpose=purpose) as connection:
            cursor = connection.execute(self.sql(metrics, by, where).encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]
