"""The signature of a WHOOP webhook.

``base64(HMAC-SHA256(client secret, timestamp text + raw body))``, in standard base64 with padding,
over the bytes as they came. Source: WHOOP developer documentation, "Webhooks".
"""

from __future__ import annotations

import base64
import hashlib
import hmac

SIGNATURE_HEADER = "X-WHOOP-Signature"
TIMESTAMP_HEADER = "X-WHOOP-Signature-Timestamp"


def sign(secret: str, timestamp_text: str, raw_body: bytes) -> str:
    """Sign a webhook.

    Args:
        secret: Secret of the client that the webhook belongs to.
        timestamp_text: Milliseconds since 1970 in decimal, as in ``X-WHOOP-Signature-Timestamp``.
        raw_body: Body, byte for byte.

    Returns:
        The text of ``X-WHOOP-Signature``.
    """
    message = timestamp_text.encode(errors="surrogatepass") + raw_body
    return base64.b64encode(hmac.digest(secret.encode(), message, hashlib.sha256)).decode("ascii")


def verify(secret: str, timestamp_text: str, raw_body: bytes, signature: str) -> bool:
    """Tell whether a webhook carries the right signature, in a time that does not depend on it.

    Args:
        secret: Secret of the client.
        timestamp_text: Value of ``X-WHOOP-Signature-Timestamp``; empty when it was not sent.
        raw_body: Body as it came, before any parsing.
        signature: Value of ``X-WHOOP-Signature``; any text.
    """
    expected = sign(secret, timestamp_text, raw_body)
    # compare_digest refuses text beyond ASCII, which a sender is free to send
    given = signature.encode(errors="surrogatepass")
    return hmac.compare_digest(expected.encode(), given) and timestamp_text != ""
