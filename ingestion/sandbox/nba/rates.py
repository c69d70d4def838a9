"""How often things happen in a game: the numbers of the simulation, in one place.

Unless a line says otherwise, a rate was set so that the simulated league reproduces the real
regular season 2022-23 (1,230 games of play-by-play and box scores); tests hold the result, not the
constants.
"""

from __future__ import annotations

# --- strength of the two sides
# ------------------------------------------------------------------------- Points per shot added
# to the home side's shots and taken from the visitors'.
HOME_EDGE = 0.0185
# Leads shrink: each point of lead costs the leader this much per shot and gives the trailing side
# as much.
LEAD_PULL = 0.0023
LEAD_PULL_FOURTH = 0.0036
LEAD_PULL_CAP = 24  # points of lead beyond which the pull no longer grows
# Level of the league: added to every shot, so that fouls, lateness and blocks leave the real
# averages.
LEVEL_TWO = -0.008
LEVEL_THREE = 0.0

# --- how a play ends, as shares of plays
# ----------------------------------------------------------------
TURNOVER = 0.125
COMMON_FOUL = 0.055
SHOOTING_FOUL = 0.068  # fouled, missed, goes to the line
AND_ONE = 0.088  # of made shots inside
HELD_BALL = 0.0027
KICKED_BALL = 0.0055
TECHNICAL = 0.0055
DEFENSIVE_THREE_SECONDS = 0.0026
DELAY_OF_GAME = 0.0031
FOUL_ON_THREE = 0.075  # of shooting fouls, on a three

# --- kinds of turnover: (subType, descriptor, has a steal, is a team's, weight)
# --------------------------
TURNOVERS: tuple[tuple[str, str | None, bool, bool, float], ...] = (
    ("bad pass", None, True, False, 10.4),
    ("lost ball", None, True, False, 5.9),
    ("offensive foul", None, False, False, 3.85),
    ("out-of-bounds", "bad pass", False, False, 3.14),
    ("traveling", None, False, False, 2.25),
    ("out-of-bounds", "lost ball", False, False, 1.41),
    ("shot clock", None, False, True, 4.6),
    ("out-of-bounds", "step", False, False, 0.66),
    ("backcourt", None, False, False, 0.17),
    ("palming", None, False, False, 0.13),
    ("3-second-violation", None, False, False, 0.12),
    ("double dribble", None, False, False, 0.08),
    ("5-second-violation", None, False, True, 0.04),
    ("8-second-violation", None, False, True, 0.03),
)

# --- rebounds
# ------------------------------------------------------------------------------------------
OFFENSIVE_REBOUND = 0.255  # of live rebounds that a player takes
OFFENSIVE_REBOUND_FREE_THROW = 0.13
TEAM_REBOUND_OFFENSE = 0.026
TEAM_REBOUND_DEFENSE = 0.037
LOOSE_BALL_FOUL = 0.026

# --- shots
# ---------------------------------------------------------------------------------------------
# Share of misses that were blocked, by place.
BLOCKED = {"rim": 0.235, "short": 0.16, "middle": 0.055, "three": 0.016}
# Share of makes with an assist, by place.
ASSISTED = {"rim": 0.60, "short": 0.43, "middle": 0.42, "three": 0.85}
GOALTENDING = 0.0135  # of made shots inside

# --- clock: seconds of a play by how it starts: (mean, s.d., shortest, longest)
# ---------------------------
PLAY_SECONDS: dict[str, tuple[float, float, float, float]] = {
    "made": (16.6, 4.9, 3.0, 24.0),
    "free throw": (15.0, 4.9, 3.0, 24.0),
    "dead ball": (14.3, 4.9, 1.0, 24.0),
    "rebound": (12.9, 4.2, 4.0, 24.0),
    "steal": (11.2, 3.8, 3.0, 23.0),
    "offensive rebound": (7.6, 3.3, 1.0, 13.0),
    "foul": (10.0, 4.2, 1.0, 14.0),
    "period": (16.4, 4.4, 4.0, 24.0),
}
# Share of plays that are run at once, and how long they take at most.
QUICK_SHARE = {"rebound": 0.36, "steal": 0.53, "offensive rebound": 0.62}
QUICK_SECONDS = {"rebound": 6.5, "steal": 5.0, "offensive rebound": 1.6}
FAST_BREAK_SECONDS = 5.0
PACE = 0.957

# --- wall clock, seconds
# -------------------------------------------------------------------------------
BEFORE_FREE_THROW = 30.0
BETWEEN_FREE_THROWS = 17.0
DEAD_BALL = 27.0
MANDATORY_TIMEOUT = 180.0
TEAM_TIMEOUT = 120.0
PERIOD_BREAK = 113.0
HALF_TIME = 872.0
REVIEW = 75.0
REVIEW_SHARE = 0.06  # of fouls and turnovers
