"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the word of the standard
    """Ends a request with an error that says what to do.

    Attributes:
        status: HTTP status.
        title: What it is, the same for every error of its kind.
        detail: What to do about this one.
        fields: Parameters that are wrong, and how.
        headers: Headers besides.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        fields: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.fields = fields or []
        self.headers = headers or {}

    def response(self) -> Response:
        """The answer."""
        content: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.fields:
            content["errors"] = self.fields
        return Response(
            orjson.dumps(content),
            self.status,
            {"cache-control": "no-store", **self.headers},
            MEDIA_TYPE,
        )
