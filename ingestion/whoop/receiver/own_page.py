"""HTML of the athlete's own page, and of the state of a withdrawal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from ingestion.consent import ledger
from ingestion.privacy.reads import Look
from ingestion.privacy.retention import GRACE_DAYS
from ingestion.privacy.withdrawal import CONFIRMED, NONE, PENDING, UNCONFIRMED, Withdrawal
from ingestion.whoop.receiver.own import (
    DATA,
    LOOKS_DAYS,
    STOP,
    Decision,
    Device,
    OwnStanding,
)
from ingestion.whoop.receiver.pages import TOKEN_FIELD, page

DEED_FIELD = "do"
DOWNLOAD_LABEL = "Download everything"
STOP_LABEL = "Stop and delete"

_PURPOSES = {
    "readiness": "To judge how ready you are",
    "modeling": "Together with records of other athletes, for statistical models of how rest and "
    "performance belong together",
}
_AUDIENCE = {
    "athlete": "You",
    "medical_staff": "The medical staff of the team",
    "performance_staff": "The strength and conditioning staff",
    "coaches": "The coaches",
}
_READERS = {
    "clutch_model": "The statistical model",
    "clutch_analyst": "Research, without your name",
}
_DECISIONS = {
    ledger.GRANTED: "You agreed",
    ledger.DECLINED: "You said no",
    ledger.WITHDRAWN: "You stopped",
    ledger.ENDED: "Your permission was ended",
}
_REASONS = {
    "trade": "because you play for another team",
    "waiver": "because the team waived you",
    "contract_end": "because your contract ended",
}
_AT_WHOOP = {
    PENDING: "Not yet. WHOOP is asked again until it says that our access has ended.",
    CONFIRMED: "Yes. WHOOP lets us read nothing any more.",
    UNCONFIRMED: "We hold no key to your account any more, but WHOOP could not confirm it. To be "
    "sure, disconnect this app in your WHOOP account.",
    NONE: "No WHOOP account was connected.",
}


def own_page(standing: OwnStanding, tokens: Mapping[str, str]) -> str:
    """The page that a personal link opens.

    Args:
        standing: What it shows.
        tokens: Signatures for its forms, by what they do.
    """
    return page(
        "Your WHOOP records with us",
        f"<p>This page is for the athlete with the NBA player id {escape(standing.player_id)}. "
        "Whoever has its link can use it.</p>"
        f"{_allowed(standing.decisions[0])}{_devices(standing.devices)}"
        "<section><h2>Your data</h2><p>Everything that is stored of you, in one file for programs "
        "(JSON). No password and no key is in it.</p>"
        f"{_form(DATA, DOWNLOAD_LABEL, tokens)}</section>"
        "<section><h2>Stop</h2><p>One click, without a reason. Nothing of yours is read or shown "
        "from then on, everything that is stored of you is deleted, and our access at WHOOP is "
        "ended. It cannot be undone, and it changes nothing else for you. If you want your data, "
        "download them first.</p>"
        f"{_form(STOP, STOP_LABEL, tokens)}</section>"
        f"{_looks(standing.looks)}{_receipts(standing.decisions)}",
    )


def state_page(found: Withdrawal, receipt: str | None) -> str:
    """How far a withdrawal has come.

    Args:
        found: The withdrawal.
        receipt: Number and hash of its entry in the ledger.
    """
    deleted = (
        "Not yet. It is at work; you need not wait."
        if found.erased_at is None
        else f"Yes, since {_time(found.erased_at)}."
    )
    over = (
        "Not yet. This page says when it is."
        if found.finished_at is None
        else f"Yes, since {_time(found.finished_at)}: we searched for what was yours, found "
        "nothing, and forgot whose this withdrawal was. "
        f"{sum(found.erased_rows.values()):,} rows were deleted."
    )
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in found.remarks)
    return page(
        "You have stopped",
        "<p>Nothing of yours is read, used or shown any more. You need not do anything else.</p>"
        '<dl class="facts">'
        f"<dt>Stopped</dt><dd>{_time(found.requested_at)}</dd>"
        f"<dt>Deleted here</dt><dd>{deleted}</dd>"
        f"<dt>Ended at WHOOP</dt><dd>{_AT_WHOOP[found.revocation]}</dd>"
        f"<dt>Over</dt><dd>{over}</dd></dl>"
        f"{f'<p>What we could not do ourselves:</p><ul>{remarks}</ul>' if remarks else ''}"
        + (
            ""
            if found.is_over
            else '<form method="get"><div class="decision"><button>Look again</button></div></form>'
        )
        + "<section><h2>Your receipt</h2><p>It proves that your withdrawal stands in our ledger, "
        "and names you to nobody.</p>"
        f'<p class="code">{escape(receipt or "")}</p>'
        f"<p>Withdrawal {found.withdrawal_id}. Keep the address of this page: it shows how far the "
        "withdrawal has come, and nothing of you.</p></section>",
    )


def _allowed(newest: Decision) -> str:
    if newest.decision != ledger.GRANTED:
        reason = f" {_REASONS[newest.reason]}" if newest.reason in _REASONS else ""
        return (
            "<h2>What you allow</h2><p>Nothing at the moment. "
            f"{_DECISIONS[newest.decision]} on {_day(newest.recorded_at)}{reason}. Nothing is read "
            f"or shown. What was read before is deleted after {GRACE_DAYS} days; below you can "
            "have it deleted now.</p>"
        )
    paused = ""
    if not newest.has_words_in_force:
        paused = (
            "<p>The text that you agreed to has been replaced. Until you are asked anew nothing "
            "is read or shown.</p>"
        )
    elif not newest.is_live:
        paused = (
            "<p>It has expired: nothing is read or shown. What was read before is deleted "
            f"{GRACE_DAYS} days after; below you can have it deleted now.</p>"
        )
    until = "" if newest.expires_at is None else _time(newest.expires_at)
    return (
        f'<h2>What you allow</h2>{paused}<dl class="facts">'
        f"<dt>Since</dt><dd>{_time(newest.recorded_at)}</dd><dt>Until</dt><dd>{until}</dd>"
        f"<dt>What for</dt>{_list(newest.purposes, _PURPOSES)}"
        f"<dt>Who may see your values</dt>{_list(newest.audience, _AUDIENCE)}</dl>"
        f"<details><summary>The text that you agreed to ({escape(newest.text_version)})</summary>"
        f'<p class="words">{escape(newest.body)}</p></details>'
    )


def _devices(devices: Sequence[Device]) -> str:
    said = "".join(f"<p>{_device(device)}</p>" for device in devices)
    return (
        f"<section><h2>Your connection</h2>{said or '<p>No WHOOP account is connected.</p>'}"
        "</section>"
    )


def _device(device: Device) -> str:
    if device.status == "active":
        read = (
            "Nothing was read yet."
            if device.last_read_at is None
            else f"Last read {_time(device.last_read_at)}."
        )
        return f"Your WHOOP account is connected since {_time(device.connected_at)}. {read}"
    if device.status == "reconnect":
        return (
            f"WHOOP has not let us read since {_time(device.status_at)}. Nothing is read until you "
            "connect again, for which you need a new invitation."
        )
    return f"A connection was ended on {_day(device.status_at)}."


def _looks(looks: Sequence[Look]) -> str:
    lines = "".join(
        f"<dt>{escape(_list_words(look.audiences))}, as {escape(look.login_name)}</dt>"
        f"<dd>{look.reads:,} times, last {_time(look.last_at)}</dd>"
        for look in looks
    )
    said = f'<dl class="facts">{lines}</dl>' if lines else "<p>Nobody.</p>"
    return (
        f"<section><h2>Who looked in the last {LOOKS_DAYS} days</h2><p>Whose question to the "
        "database could show your values, as far as its log has been filed, which happens once a "
        f"day. What you download has every one of them.</p>{said}</section>"
    )


def _list_words(audiences: Sequence[str]) -> str:
    return ", ".join(_READERS.get(code, _AUDIENCE.get(code, code)) for code in audiences)


def _receipts(decisions: Sequence[Decision]) -> str:
    lines = "".join(
        f"<p>{_DECISIONS[each.decision]} on {_time(each.recorded_at)}:</p>"
        f'<p class="code">{each.receipt}</p>'
        for each in decisions
    )
    return (
        "<section><h2>Your receipts</h2><p>Each decision of yours is an entry of a ledger that "
        "nobody can change unnoticed. Keep its number and hash: with them it can be checked that "
        "the entry still stands as it was written (clutch consent verify).</p>"
        f"{lines}</section>"
    )


def _form(deed: str, label: str, tokens: Mapping[str, str]) -> str:
    return (
        f'<form method="post"><input type="hidden" name="{TOKEN_FIELD}" '
        f'value="{escape(tokens[deed])}">'
        f'<button name="{DEED_FIELD}" value="{deed}">{escape(label)}</button></form>'
    )


def _list(codes: Sequence[str], words: Mapping[str, str]) -> str:
    return "".join(f"<dd>{escape(words.get(code, code))}</dd>" for code in codes)


def _day(moment: datetime) -> str:
    day = moment.astimezone(UTC)
    return f"{day.day} {day:%B %Y}"


def _time(moment: datetime) -> str:
    return f"{_day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"
