"""Every prior in one place, with its reason. Points are points over expected per attempt."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Priors:
    """Scales of the priors; all but the reliabilities are standard deviations.

    Effects have normal priors around zero, spreads between players half-normal ones.
    """

    # Level of a season and kind of shot: expectations are within 0.015 points of what is scored,
    # season by season (docs/methods/expected_points.md); this is wide beside it.
    level: float = 0.1
    # Who shoots more a game shoots better, by about this much per e-fold: coaches pick. Wide.
    role: float = 0.1
    # Spread of overall skill between players, per kind. Published true s.d. of all field goals:
    # 0.0655 points a shot over 20 seasons; of one kind more (free throw rates spread by 0.08).
    skill: float = 0.1
    # LKJ shape of the correlations between skills: weakly towards none.
    skill_correlation_shape: float = 2.0
    # Spread of the clutch deviation between players: measured 0.019 over 20 seasons (reliability
    # 0.014, year to year r = 0.06). Half-normal, so that none at all is as plausible as any.
    clutch: float = 0.02
    # What clutch time does to everybody: measured -0.05 at the same spot; free throws +0.02.
    league_clutch: float = 0.05
    # Circumstances of game and shot: home +2 points a game is 0.01-0.02 a shot, a back-to-back
    # -0.5 to -1.5 a game is less than 0.02.
    situation: float = 0.03
    # Spread of what opponents allow.
    opponent: float = 0.03
    # Per s.d. of a night within the athlete: no study ties HRV to points; 0.02 is the largest that
    # a season's effect could be if a late night (-1.7 points of FG%) were one s.d. of it.
    night: float = 0.02
    # The same in clutch time over and above: an interaction is smaller than its main effect.
    night_clutch: float = 0.01
    # Between athletes: who has higher values may differ in much else.
    night_between: float = 0.02
    # A game without the night, by who usually wears: may say something by itself.
    no_night: float = 0.02
    # Reliability of a measured night: share of the variance within an athlete that is real. HRV and
    # the recovery score made of it: device error attenuates a slope by 16 %. Sleep: total sleep is
    # off by 33 min (Miller 2020), nights differ by about 60. Strain: no figure found; our guess.
    reliability: tuple[float, float, float, float] = (0.84, 0.84, 0.77, 0.90)
    # Weight of these, as of so many observations of a Beta: s.d. about 0.05.
    reliability_weight: float = 60.0
    # LKJ shape of the correlations between HRV, recovery, sleep and strain of a night.
    night_correlation_shape: float = 2.0

    def scaled(self, factor: float, *names: str) -> Priors:
        """The same with some standard deviations multiplied, for sensitivity.

        Args:
            factor: By how much.
            names: Fields; none for every one that is a standard deviation.

        Raises:
            ValueError: If a name is none of a standard deviation.
        """
        scales = [
            field.name
            for field in fields(self)
            if not field.name.startswith("reliability") and not field.name.endswith("_shape")
        ]
        if unknown := set(names) - set(scales):
            raise ValueError(f"no such scale: {', '.join(sorted(unknown))}; there are {scales}")
        chosen = names or tuple(scales)
        return replace(self, **{name: factor * getattr(self, name) for name in chosen})
