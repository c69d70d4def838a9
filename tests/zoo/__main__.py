"""Print the catalogue as a table for the documentation."""

from __future__ import annotations

from tests.zoo.catalogue import KINDS
from tests.zoo.report import table

print(table(KINDS))
