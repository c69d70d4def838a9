"""The public side: consent page, OAuth callback, webhooks (``clutch serve receiver``).

One ASGI process as role ``clutch_ingest``; TLS ends at a proxy before it. Addresses:

- ``GET, POST /consent/{secret}``: an athlete's personal link; text, decision, way to WHOOP
- ``GET, POST /mine/{secret}``: an athlete's own page; what he allowed, his data, to stop
- ``GET /withdrawal/{id}``: how far a withdrawal has come
- ``GET /oauth/callback``: the way back from WHOOP
- ``POST /webhooks/whoop``: deliveries, stored in ``operations.webhook_inbox`` before the answer

No log line holds a token, code, state or link: requests are not logged at all.
"""
