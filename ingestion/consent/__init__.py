"""What athletes decided, and their encrypted tokens."""

END_REASONS = ("trade", "waiver", "contract_end")
"""Events that close the audience of a team: what it was allowed it is not any more."""
