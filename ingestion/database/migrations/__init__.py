"""Migrations of roles, schemas and operational tables, run by :mod:`ingestion.database.migrate`.

A revision is a pair of files in ``versions``: ``NNNN_<what>.py`` with its number and the one
before, and ``NNNN_<what>.sql`` with what it does, in plain SQL. Revisions only go forward: an error
is put right by the next.

They run as clutch_owner, which may not make schemas: a revision that makes one says ``reset role``
before and ``set role clutch_owner`` after.
"""
