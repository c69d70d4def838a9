"""What athletes decided, and their encrypted tokens."""
