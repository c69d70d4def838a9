"""Webhooks are signed and verified as WHOOP documents it."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from ingestion.whoop.signature import sign, verify

SECRET = "sim-client-secret-not-real"
TIMESTAMP = "1762262505000"
RAW = (
    b'{"user_id":990001,"id":"3f0c2a4e-8d51-4c0e-9a77-0b6f3a1d5e01",'
    b'"type":"sleep.updated","trace_id":"0b7e6a52-2f0d-4b1c-8a1e-9c2d3e4f5a01"}'
)
SIGNATURE = "nOOBnNGo8hqENx3dNg4TpQdOJgy9B45woEhy7fyorkk="


def test_a_known_signature() -> None:
    assert sign(SECRET, TIMESTAMP, RAW) == SIGNATURE
    assert verify(SECRET, TIMESTAMP, RAW, SIGNATURE)


@pytest.mark.parametrize(
    ("secret", "timestamp", "raw", "signature"),
    [
        ("another", TIMESTAMP, RAW, SIGNATURE),
        (SECRET, "1762262505001", RAW, SIGNATURE),
        (SECRET, "", RAW, SIGNATURE),
        (SECRET, TIMESTAMP, RAW.replace(b"990001", b"990002"), SIGNATURE),
        (SECRET, TIMESTAMP, RAW + b"\n", SIGNATURE),
        (SECRET, TIMESTAMP, b"", SIGNATURE),
        (SECRET, TIMESTAMP, RAW, ""),
        (SECRET, TIMESTAMP, RAW, SIGNATURE[:-1]),
        (SECRET, TIMESTAMP, RAW, SIGNATURE.lower()),
        (SECRET, TIMESTAMP, RAW, base64.b64decode(SIGNATURE).hex()),
        (SECRET, TIMESTAMP, RAW, "é"),
        (SECRET, TIMESTAMP, RAW, "\ud800"),
        (SECRET, "\ud800", RAW, SIGNATURE),
    ],
)
def test_anything_else_is_refused(secret: str, timestamp: str, raw: bytes, signature: str) -> None:
    assert not verify(secret, timestamp, raw, signature)


def test_a_signature_over_the_body_alone_is_refused() -> None:
    digest = hmac.digest(SECRET.encode(), RAW, hashlib.sha256)
    alone = base64.b64encode(digest).decode()
    assert not verify(SECRET, TIMESTAMP, RAW, alone)
    # what was signed without a timestamp does not pass by leaving its header out
    assert sign(SECRET, "", RAW) == alone
    assert not verify(SECRET, "", RAW, alone)
