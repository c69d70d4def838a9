"""What athletes are asked, word for word.

The page shows exactly this text, and each entry of the ledger names the version that was shown.
What the text says depends on settings (kinds of record, days, who asks), so a version is the
version of the wording with a short hash of those: ``2026-11b.1f0c9a2b``. Wording that changes needs
a new :data:`WORDING`; :func:`register` refuses other words under a version that athletes have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from ingestion.consent.settings import ConsentSettings
from ingestion.errors import ClutchError

WORDING = "2026-11b"
"""Version of the wording below."""

BASE_PURPOSES = ("readiness",)
BASE_AUDIENCE = ("athlete", "medical_staff")


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs and terms.

    Attributes:
        heading: The heading.
        paragraphs: Plain text.
        terms: Measures and what each means.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Choice:
    """Something that an athlete may allow besides; nothing depends on it.

    Attributes:
        kind: ``purpose`` or ``audience``.
        code: What the ledger calls it.
        label: What stands beside the box.
    """

    kind: str
    code: str
    label: str

    @property
    def field(self) -> str:
        """Name of the box in the form."""
        return f"{self.kind}_{self.code}"


CHOICES = (
    Choice(
        "purpose",
        "modeling",
        "My records may also be used, together with those of other athletes, to fit statistical "
        "models of how rest and performance belong together.",
    ),
    Choice(
        "audience",
        "performance_staff",
        "The strength and conditioning staff may also see my values.",
    ),
    Choice("audience", "coaches", "The coaches may also see my values."),
)


@dataclass(frozen=True)
class ConsentText:
    """One version of the text.

    Attributes:
        version: Version of the wording and a hash of what it depends on.
        title: The question.
        sections: The text.
        choices: Boxes below it, none of them ticked.
        days: How long a permission lasts.
    """

    version: str
    title: str
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...]
    days: int

    @property
    def body(self) -> str:
        """The whole text as stored: plain, with the boxes and the two buttons."""
        lines = [self.title]
        for section in self.sections:
            lines += ["", section.heading, *section.paragraphs]
            lines += [f"- {term}: {meaning}" for term, meaning in section.terms]
        lines += ["", CHOICES_HEADING, *(f"[ ] {choice.label}" for choice in self.choices)]
        lines += ["", f"({AGREE}) ({DECLINE})", ""]
        return "\n".join(lines)

    @property
    def sha256(self) -> str:
        """SHA-256 of the body, hexadecimal."""
        return hashlib.sha256(self.body.encode()).hexdigest()


CHOICES_HEADING = "If you like: none of these is needed"
AGREE = "I agree"
DECLINE = "No, thank you"

_MEASURES: dict[str, tuple[tuple[str, str], ...]] = {
    "cycle": (
        ("Day strain (0 to 21)", "how hard your heart worked from one sleep to the next"),
        ("Energy (kilojoules)", "what your body burned in that time, as WHOOP estimates it"),
        ("Heart rate of the day", "average and highest, in beats a minute"),
        ("Steps", "how many WHOOP counted"),
    ),
    "recovery": (
        ("Recovery (0 to 100 %)", "WHOOP's estimate of how ready your body is this morning"),
        (
            "Heart rate variability (milliseconds)",
            "how much the time between heartbeats varies in sleep; compared with your own past, a "
            "drop can mean strain, illness or a bad night",
        ),
        ("Resting heart rate", "your lowest steady pulse in sleep, in beats a minute"),
        ("Blood oxygen (%) and skin temperature", "measured in sleep by newer straps"),
    ),
    "sleep": (
        ("Time in bed and asleep, naps too", "from when to when, and how long"),
        (
            "Stages",
            "how long you were awake, in light, deep and REM sleep, and how often disturbed",
        ),
        ("Sleep needed", "how long WHOOP thinks you should have slept, and why"),
        (
            "Sleep performance, consistency, efficiency (%)",
            "sleep against need, how regular your hours are, and how much of the time in bed you "
            "slept",
        ),
        ("Breaths a minute", "how fast you breathe in sleep"),
    ),
    "workout": (
        ("Workouts", "which sport, from when to when"),
        ("Their strain, energy and heart rate", "also how long in each heart rate zone"),
        ("Distance and climb", "where the strap knows them"),
    ),
    "profile": (("Name and mail address", "as your WHOOP account has them"),),
    "body": (("Height, weight and highest heart rate", "as your WHOOP account has them"),),
}


def consent_text(settings: ConsentSettings, resources: Sequence[str]) -> ConsentText:
    """The text for the records that are asked for.

    Args:
        settings: Who asks, and for how long.
        resources: Enabled kinds of record, keys of :data:`ingestion.whoop.settings.SCOPES`.
    """
    wanted = [name for name in _MEASURES if name in resources]
    depends_on = repr((wanted, settings.days, settings.organisation, settings.contact))
    sections = (
        Section(
            "What this is about",
            (
                f"{_capital(settings.organisation)} would like to read records of your WHOOP strap "
                "and lay them beside the play-by-play of your games.",
                "It is your decision. Saying no, or stopping later, changes nothing else: not your "
                "minutes, not your contract, not how you are treated.",
            ),
        ),
        Section(
            "What is read, and what it means",
            (
                "Reading begins when you agree, not before. Records of the time before are read "
                "too, so that your own normal is known. Only these:",
            ),
            tuple(term for name in wanted for term in _MEASURES[name]),
        ),
        Section(
            "What you get from it",
            (
                "You and the medical staff can see how rest, travel and strain go together with "
                "how you play late in close games, each time with how sure one can be, and plan "
                "rest accordingly.",
            ),
        ),
        Section(
            "Who sees your values, and what for",
            (
                "You and the medical staff of the team, to judge how ready you are. Anybody else "
                "only if you tick it below.",
                "Never for contracts, trades or waivers; never published, never sold.",
            ),
        ),
        Section(
            "How long",
            (
                f"{settings.days} days from today. Then the permission ends by itself, nothing "
                "more is read, and you are asked anew.",
            ),
        ),
        Section(
            "How to stop",
            (
                "At any time and without a reason, with one click on a page of your own, whose "
                "link you get when you are connected: nothing is read from then on, and what was "
                "read before is deleted. It works while WHOOP is down, too.",
                "Or disconnect this app in your WHOOP account, or tell "
                f"{settings.contact}: nothing is read from then on, and you can have what was read "
                "before deleted.",
            ),
        ),
        Section(
            "What happens next",
            (
                "If you agree, WHOOP asks you once more and shows what this app may read. Your "
                "WHOOP password stays between you and WHOOP.",
            ),
        ),
    )
    return ConsentText(
        version=f"{WORDING}.{hashlib.sha256(depends_on.encode()).hexdigest()[:8]}",
        title=f"May {settings.organisation} read your WHOOP records?",
        sections=sections,
        choices=CHOICES,
        days=settings.days,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def register(connection: psycopg.Connection[Any], text: ConsentText) -> None:
    """Store a text before it is shown, and put it in force; the same again changes nothing.

    Permissions given under other words permit nothing from then on: these athletes are asked anew.

    Raises:
        ClutchError: If the version is stored with other words.
    """
    connection.execute(
        """
        insert into operations.consent_texts (text_version, text_sha256, body)
        values (%s, %s, %s) on conflict (text_version) do nothing
        """,
        [text.version, text.sha256, text.body],
    )
    row = connection.execute(
        "select text_sha256, body from operations.consent_texts where text_version = %s",
        [text.version],
    ).fetchone()
    if row != (text.sha256, text.body):
        raise ClutchError(
            f"the consent text {text.version} was shown to athletes with other words. Fix: give "
            "the new words a new WORDING in ingestion/consent/texts.py."
        )
    # under a lock: two that begin at once must not both put it in force
    connection.execute("select pg_advisory_xact_lock(hashtextextended('consent text', 1))")
    connection.execute(
        """
        insert into operations.consent_texts_in_force (text_version)
        select %(version)s
        where %(version)s is distinct from (
            select text_version from operations.consent_texts_in_force order by number desc limit 1
        )
        """,
        {"version": text.version},
    )
