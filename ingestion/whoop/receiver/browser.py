"""What ties a walk through the pages to one browser: its cookie, and signatures over small texts.

Keys for the signatures are derived (HKDF-SHA256, RFC 5869) from ``ENCRYPTION_KEY``, one for each
purpose. The newest key signs, all verify: rotation disturbs no walk.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

COOKIE_SECONDS = 86400
"""An athlete who breaks off at WHOOP can go on in the same browser for a day."""
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in URL-safe base64


class Signer:
    """Signs texts for one purpose.

    Args:
        encryption_keys: ``ENCRYPTION_KEY``, Fernet keys, newest first.
        purpose: What is signed: a signature for one purpose is false for another.
    """

    def __init__(self, encryption_keys: Sequence[str], purpose: str) -> None:
        self._keys = [
            HKDF(SHA256(), length=32, salt=None, info=f"clutch receiver {purpose}".encode()).derive(
                base64.urlsafe_b64decode(key)
            )
            for key in encryption_keys
        ]

    def sign(self, text: str) -> str:
        """Signature of a text: 43 characters of URL-safe base64."""
        return _signature(self._keys[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """Whether a signature of ours belongs to a text; compared in constant time."""
        given = signature.encode(errors="surrogatepass")
        return any(hmac.compare_digest(_signature(key, text).encode(), given) for key in self._keys)


def _signature(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode(errors="surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class BrowserCookie:
    """The cookie: 32 random bytes that only this browser has.

    Args:
        is_https: Whether browsers reach the receiver by https; the name then has the prefix
            ``__Host-``, which browsers take from this very host only. Plain http is for localhost.
    """

    def __init__(self, *, is_https: bool) -> None:
        self.name = "__Host-clutch-browser" if is_https else "clutch-browser"
        self._is_https = is_https

    def read(self, cookies: Mapping[str, str]) -> str | None:
        """The browser's value, or None where it has none of ours."""
        value = cookies.get(self.name, "")
        return value if _VALUE.fullmatch(value) else None

    def new(self) -> str:
        """A value for a browser that has none."""
        return secrets.token_urlsafe(32)

    def header(self, value: str) -> str:
        """The ``Set-Cookie`` header. Lax: the way back from WHOOP comes from another site."""
        secure = "; Secure" if self._is_https else ""
        return (
            f"{self.name}={value}; Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Lax{secure}"
        )


def sha256(text: str) -> str:
    """SHA-256 of a text, hexadecimal: what the database knows of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()
