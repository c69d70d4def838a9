"""The catalogue as a table."""

from __future__ import annotations

from collections.abc import Iterable

from tests.zoo.kinds import Kind


def table(kinds: Iterable[Kind]) -> str:
    """Rows of a Markdown table, in the order of the catalogue."""
    lines = ["| kind | seen | what happens |", "|---|---|---|"]
    lines += [f"| {kind.name} | {kind.seen} | {kind.outcome} |" for kind in kinds]
    return "\n".join(lines)
