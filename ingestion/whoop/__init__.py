"""WHOOP v2: OAuth client, request budget, sync and webhooks of consenting athletes."""
