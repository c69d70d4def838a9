"""Read API and pages over the schema ``analytics``.

Every request carries a key, every key has an audience, and every audience reads as a database role
of its own: what an athlete does not allow it, the database does not show.
"""
