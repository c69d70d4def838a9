"""The catalogue of the models as one page: what ``dbt docs generate`` writes, fit to be shown.

The page holds definitions, descriptions, SQL, columns and their types. It holds no row, no count of
rows, no address or name of a database and no folder of the machine that made it, and it loads
nothing from elsewhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DATABASE = "clutch"
"""What a database is called on the page, whatever its name."""

# dbt's page would load it to count visits where a project allows that
_OF_OTHERS = ("//d1fc8wv8zag5ca.cloudfront.net/2.9.0/sp.js", "fishtownanalytics.sinter-collect.com")

# Folders of the machine, and what a run of dbt says of itself.
_OF_THE_MACHINE = frozenset(
    {
        *("root_path", "build_path", "compiled_path", "deferred", "env", "invocation_id"),
        *("invocation_started_at", "run_started_at", "user_id", "project_id", "created_at"),
        *("config_call_dict", "unrendered_config_call_dict", "defer_relation", "profile_name"),
    }
)


def write_page(folder: Path) -> str:
    """The page.

    Args:
        folder: What dbt wrote: ``index.html``, ``manifest.json`` and ``catalog.json``.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    catalog = json.loads((folder / "catalog.json").read_text())
    names = {node["database"] for node in manifest["nodes"].values() if node.get("database")}
    page = (folder / "index.html").read_text()
    for kind, content in (("MANIFEST", manifest), ("CATALOG", catalog)):
        shown = _without(content, names)
        if kind == "CATALOG":
            # planner's figures of tables, where an adapter tells them
            for node in (*shown["nodes"].values(), *shown["sources"].values()):
                node["stats"] = {}
            shown["errors"] = None
        # a description must not end the script that it stands in
        text = json.dumps(shown).replace("</", "<\\/")
        page = page.replace(f'"{kind}.JSON INLINE DATA"', text)
    for address in _OF_OTHERS:
        page = page.replace(address, "")
    # asked for before the page has put a name in their place, and never there
    page = re.sub(r'<link rel="shortcut icon"[^>]*favicon\.ico[^>]*>', "", page)
    return page.replace('xlink:href="{{', 'ng-attr-xlink:href="{{')


def _without(value: Any, names: set[str]) -> Any:
    """A copy without what is of the machine, and the database by another name."""
    if isinstance(value, dict):
        return {
            key: DATABASE if key == "database" and content in names else _without(content, names)
            for key, content in value.items()
            if key not in _OF_THE_MACHINE
        }
    if isinstance(value, list):
        return [_without(each, names) for each in value]
    if isinstance(value, str):
        for name in names:
            value = re.sub(rf'"{re.escape(name)}"\.(?=")', "", value)
    return value
