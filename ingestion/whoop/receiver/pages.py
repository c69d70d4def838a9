"""The pages, as HTML without scripts; their style is allowed by its hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from ingestion.consent.texts import AGREE, CHOICES_HEADING, DECLINE, ConsentText, Section

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 42rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; line-height: 1.5;
  font-family: system-ui, sans-serif; font-size: 1.05rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin: 1.8rem 0 0.4rem; }
p, dl { margin: 0.4rem 0; }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0 0 0 1rem; }
fieldset { border: 1px solid GrayText; border-radius: 0.5rem; margin: 1.8rem 0;
  padding: 0.8rem 1rem; }
legend { font-weight: 600; padding: 0 0.4rem; }
label { display: flex; gap: 0.7rem; padding: 0.5rem 0; }
input { flex: none; width: 1.3rem; height: 1.3rem; margin: 0.15rem 0 0; }
.decision { display: flex; flex-wrap: wrap; gap: 1rem; }
button { flex: 1 1 12rem; padding: 0.9rem; font: inherit; font-weight: 600; cursor: pointer;
  color: CanvasText; background: Canvas; border: 2px solid CanvasText; border-radius: 0.5rem; }
button:focus-visible, input:focus-visible, a:focus-visible, summary:focus-visible {
  outline: 3px solid Highlight; outline-offset: 2px; }
a { color: LinkText; }
.code { font-family: ui-monospace, monospace; font-size: 0.95rem; overflow-wrap: anywhere;
  border: 1px solid GrayText; border-radius: 0.5rem; padding: 0.8rem 1rem; }
.facts dd { margin: 0; }
section { border-top: 1px solid GrayText; margin-top: 1.8rem; }
section form { margin: 1rem 0 0.4rem; display: flex; }
summary { cursor: pointer; padding: 0.5rem 0; }
.words { white-space: pre-line; font-size: 0.95rem; }
footer { margin-top: 2rem; font-size: 0.85rem; overflow-wrap: anywhere; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

DECISION_FIELD = "decision"
TOKEN_FIELD = "token"  # noqa: S105 - the name of a form field


@dataclass(frozen=True)
class Words:
    """What a page says.

    Attributes:
        status: HTTP status.
        title: Heading.
        paragraphs: Plain text.
    """

    status: int
    title: str
    paragraphs: tuple[str, ...]


_AGAIN = "To try again, open your personal link once more in this browser."
_NEW_LINK = "Ask the person who gave you the link for a new one."
_NOTHING = "Nothing was connected and nothing is read."

OUTCOMES = {
    "connected": Words(
        200,
        "You are connected",
        (
            "Thank you. Your WHOOP account is connected; records come in from now on.",
            "You can stop at any time, with the link below or in your WHOOP account.",
        ),
    ),
    "no_page": Words(
        404,
        "This link opens nothing",
        (
            "It is wrong, has expired or was replaced, or what it opened was deleted.",
            _NEW_LINK,
        ),
    ),
    "wrong_own_form": Words(
        403,
        "This page has expired",
        ("Nothing was changed.", "Open your own link again and press the button there."),
    ),
    "no_data": Words(
        503,
        "Your data cannot be put together just now",
        (
            "Nothing of it is lost. Try again in a minute.",
            "If it stays so, ask the person who gave you the link: they can make the same file.",
        ),
    ),
    "declined": Words(
        200,
        "Thank you for your answer",
        ("Nothing is read, and nothing else changes for you.", "You can close this page."),
    ),
    "used": Words(
        410,
        "This link was used",
        ("A personal link takes one decision.", "To decide anew, ask for a new link."),
    ),
    "no_link": Words(404, "This link opens nothing", ("It is wrong or has expired.", _NEW_LINK)),
    "wrong_form": Words(
        403,
        "This page has expired",
        (
            "Your answer was not taken.",
            "Open your personal link again in this browser, with cookies on.",
        ),
    ),
    "wrong_state": Words(
        400, "This is not a way back from WHOOP", (_NOTHING, "Open your personal link to begin.")
    ),
    "other_browser": Words(
        403,
        "Another browser",
        (_NOTHING, "Go on in the browser in which you opened your personal link."),
    ),
    "used_state": Words(410, "This step was done before", (_NOTHING, _AGAIN)),
    "already_connected": Words(
        410,
        "This step was done before",
        (
            "Your WHOOP account is connected; there is nothing more to do.",
            "If you did not keep the link to your own page, ask the person who gave you the first "
            "one.",
        ),
    ),
    "expired_state": Words(410, "That took too long", (_NOTHING, _AGAIN)),
    "at_work": Words(
        409, "Still at work", ("Your answer is being worked on. Reload this page in a moment.",)
    ),
    "access_denied": Words(
        200,
        "You said no at WHOOP",
        (_NOTHING, "That is fine and changes nothing else for you.", _AGAIN),
    ),
    "invalid_state": Words(502, "WHOOP did not take our request", (_NOTHING, _AGAIN)),
    "request_forbidden": Words(
        502,
        "WHOOP did not take our request",
        (_NOTHING, "Its page may have been open for too long, or cookies are off.", _AGAIN),
    ),
    "invalid_scope": Words(
        502, "WHOOP does not let this app read what it asks for", (_NOTHING, _NEW_LINK)
    ),
    "other_error": Words(502, "WHOOP answered with an error", (_NOTHING, _AGAIN)),
    "missing_code": Words(400, "WHOOP's answer is incomplete", (_NOTHING, _AGAIN)),
    "consent_ended": Words(
        409,
        "Your permission has changed",
        (_NOTHING, "You decided anew in the meantime, or the permission has ended.", _NEW_LINK),
    ),
    "invalid_grant": Words(
        502,
        "WHOOP did not confirm the connection",
        (_NOTHING, "Its answer was used before, or it came too late.", _AGAIN),
    ),
    "service_unavailable": Words(
        503,
        "WHOOP does not answer",
        ("Nothing is connected yet.", "Wait a minute and reload this page.", _AGAIN),
    ),
    "scopes_missing": Words(
        403,
        "Something is missing",
        (
            _NOTHING,
            "What WHOOP allowed was given back, because a part without which there is no "
            "picture of your rest is missing:",
        ),
    ),
    "account_taken": Words(
        409,
        "This WHOOP account belongs to somebody else",
        (
            _NOTHING,
            "The account you were signed in to at WHOOP is connected for another athlete.",
            f"Sign out at WHOOP and in with your own account. {_AGAIN}",
        ),
    ),
    "not_found": Words(404, "There is no such page", ("Open your personal link.",)),
    "wrong_method": Words(405, "Not this way", ("Open your personal link.",)),
    "bad_request": Words(400, "This request cannot be read", ("Open your personal link.",)),
    "too_large": Words(413, "Too large", ("Open your personal link again.",)),
    "database_away": Words(
        503, "We cannot answer just now", ("Wait a minute and reload this page.",)
    ),
    "failed": Words(500, "Something went wrong here", ("Wait a minute and reload this page.",)),
}
"""Words for every outcome of :class:`ingestion.whoop.receiver.oauth_flow.Walk`, and of errors."""

_WITHOUT = {
    "cycle": "Days: no strain is known.",
    "recovery": "Recovery: your heart rate variability and resting heart rate are not known.",
    "sleep": "Sleep: your nights are not known.",
    "workout": "Workouts: strain outside games is not told apart.",
    "profile": "Profile: your name and mail address are not read.",
    "body": "Body: height and weight are not read.",
    "offline": "Staying connected: the connection ends by itself within the hour.",
}


def headers(oauth_base_url: str, *, is_https: bool) -> list[tuple[bytes, bytes]]:
    """Headers of every answer: nothing is cached, framed, scripted or told to other sites.

    Args:
        oauth_base_url: Where the form's answer sends the browser on to.
        is_https: Whether browsers reach the receiver by https.
    """
    # Browsers hold the redirects that follow a form against form-action too, and WHOOP sends on to
    # hosts of its own: any https, or the local service.
    parts = urlsplit(oauth_base_url)
    target = "https:" if parts.scheme == "https" else f"{parts.scheme}://{parts.netloc}"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self' {target}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    values = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "x-robots-tag": "noindex, nofollow",
        "cross-origin-opener-policy": "same-origin",
    }
    if is_https:
        values["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in values.items()]


def message_page(
    code: str, missing: Sequence[str] = (), own_page: str | None = None
) -> tuple[int, str]:
    """Status and HTML of a page that tells an outcome.

    Args:
        code: Key of :data:`OUTCOMES`.
        missing: Resources that were not granted.
        own_page: Address of the athlete's own page, which is shown this once.
    """
    words = OUTCOMES[code]
    parts = [f"<p>{escape(text)}</p>" for text in words.paragraphs]
    if missing:
        if code == "connected":
            parts.append("<p>Not allowed at WHOOP, and therefore not read:</p>")
        parts.append(
            f"<ul>{''.join(f'<li>{escape(_WITHOUT[name])}</li>' for name in missing)}</ul>"
        )
        if code == "scopes_missing":
            parts.append(f"<p>{escape(_AGAIN)}</p>")
    if own_page is not None:
        link = escape(own_page)
        parts.append(
            "<h2>Keep this link</h2>"
            "<p>With it you can see what you allowed, fetch your data and stop, each with one "
            "click. It is shown this once: keep it as a bookmark or among your notes, and give it "
            "to nobody. If you lose it, ask for a new one.</p>"
            f'<p class="code"><a href="{link}">{link}</a></p>'
        )
    return words.status, page(words.title, "".join(parts))


def consent_page(text: ConsentText, player_id: str, token: str) -> str:
    """HTML of the text with its boxes, none ticked, and the two buttons.

    The button that permits nothing is the first: it is the one that the Enter key presses.

    Args:
        text: What is asked.
        player_id: Whom.
        token: Ties the answer to this browser, link and text.
    """
    boxes = "".join(
        f'<label><input type="checkbox" name="{choice.field}" value="yes">'
        f"<span>{escape(choice.label)}</span></label>"
        for choice in text.choices
    )
    return page(
        text.title,
        f"<p>This page was made for the athlete with the NBA player id {escape(player_id)}.</p>"
        f"{''.join(_section(section) for section in text.sections)}"
        f'<form method="post"><input type="hidden" name="{TOKEN_FIELD}" value="{escape(token)}">'
        f"<fieldset><legend>{escape(CHOICES_HEADING)}</legend>{boxes}</fieldset>"
        f'<div class="decision">{_button("decline", DECLINE)}{_button("agree", AGREE)}</div></form>'
        f"<footer>Text {escape(text.version)}, SHA-256 {text.sha256}</footer>",
    )


def go_on_page(token: str) -> str:
    """HTML for an athlete who agreed and did not come back from WHOOP."""
    return page(
        "Go on to WHOOP",
        "<p>You agreed, and your WHOOP account is not connected yet.</p>"
        f'<form method="post"><input type="hidden" name="{TOKEN_FIELD}" value="{escape(token)}">'
        f'<div class="decision">{_button("agree", "Go on to WHOOP")}</div></form>'
        "<p>If you have changed your mind, close this page: nothing is read.</p>",
    )


def _button(value: str, label: str) -> str:
    return f'<button name="{DECISION_FIELD}" value="{value}">{escape(label)}</button>'


def _section(section: Section) -> str:
    terms = "".join(
        f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in section.terms
    )
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in section.paragraphs)
    return f"<h2>{escape(section.heading)}</h2>{paragraphs}{f'<dl>{terms}</dl>' if terms else ''}"


def page(title: str, body: str) -> str:
    """HTML of a page.

    Args:
        title: Plain text.
        body: HTML.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
