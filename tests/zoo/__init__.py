"""The corruption zoo: every kind of damage seen in NBA data, and what becomes of it.

``python -m tests.zoo`` prints the catalogue as the table of ``docs/methods/damage.md``.
"""
