"""Errors that a person can act on.

Every error that bad input or a bad setting can cause is a :class:`ClutchError`: one line that names
the field or setting and the fix. The command line prints that line without a traceback and exits
with ``exit_code`` (0 done, 1 failed, 2 wrong usage, 3 partly done).
"""

from __future__ import annotations


class ClutchError(Exception):
    """A failure with a message for the person at the terminal.

    Attributes:
        exit_code: Status with which the command line ends.
    """

    exit_code = 1


class SettingError(ClutchError):
    """A setting is missing or wrong.

    Args:
        name: The setting as it is written in the environment, e.g. ``DATABASE_URL``.
        problem: What is wrong with it, without its value where that could be a secret.
        fix: What to do about it.
    """

    def __init__(self, name: str, problem: str, fix: str) -> None:
        super().__init__(f"{name}: {problem}. Fix: {fix}.")
        self.name = name


class UsageError(ClutchError):
    """The command was called in a way that cannot work (exit code 2)."""

    exit_code = 2
