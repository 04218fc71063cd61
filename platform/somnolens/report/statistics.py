"""Sleep statistics of a night beside what is usual, each usual value with its source.

The totals are `evaluate.totals`, by YASA's definitions. What is usual differs by age, laboratory and first or second
night, and healthy sleepers lie outside it often: the report marks it and draws no conclusion.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from somnolens.evaluate.totals import Totals

WHOLE_NIGHT_MIN: Final = 240.0
"""A shorter record is not held against what is usual of a night."""

NSF: Final = (
    "M. Ohayon et al., National Sleep Foundation's sleep quality recommendations: first report, Sleep Health 3(1), 2017"
)
"""Sleep efficiency of 85 % and more, sleep within 30 min, awake for 20 min or less (30 min from the age of 65)."""

OVERVIEW: Final = (
    "M. A. Carskadon and W. C. Dement, Normal human sleep: an overview, in Principles and Practice of Sleep Medicine "
    "(young adults; stages 3 and 4 added up)"
)

MITTERLING: Final = (
    "T. Mitterling et al., Sleep and respiration in 100 healthy Caucasian sleepers, Sleep 38(6), 2015 (scored by the "
    "AASM manual; ranges of those up to 30 and those over 60 years)"
)


@dataclass(frozen=True)
class Usual:
    """What is usual of a statistic: from `low` to `high`, either of them open where not a number."""

    low: float
    high: float
    source: str

    def place(self, value: float) -> str:
        """'below', 'within' or 'above'; empty where there is no value.

        Examples
        --------
        >>> Usual(85.0, np.nan, "").place(80.0), Usual(2.0, 5.0, "").place(5.0)
        ('below', 'within')
        """
        if np.isnan(value):
            return ""
        return "below" if value < self.low else "above" if value > self.high else "within"

    def tell(self, unit: str) -> str:
        """In words.

        Examples
        --------
        >>> Usual(85.0, np.nan, "").tell("%"), Usual(2.0, 5.0, "").tell("%"), Usual(np.nan, 30.0, "").tell("min")
        ('85 % or more', '2 to 5 %', '30 min or less')
        """
        if np.isnan(self.high):
            return f"{self.low:g} {unit} or more"
        return f"{self.high:g} {unit} or less" if np.isnan(self.low) else f"{self.low:g} to {self.high:g} {unit}"


ADULTS: Final = {
    "se_pct": Usual(85.0, np.nan, NSF),
    "sol_min": Usual(np.nan, 30.0, NSF),
    "waso_min": Usual(np.nan, 20.0, NSF),
    "rem_latency_min": Usual(80.0, 100.0, OVERVIEW),
    "N1_pct": Usual(2.0, 5.0, OVERVIEW),
    "N2_pct": Usual(45.0, 55.0, OVERVIEW),
    "N3_pct": Usual(13.0, 23.0, OVERVIEW),
    "R_pct": Usual(20.0, 25.0, OVERVIEW),
}
"""For adults whose age is not known."""

UP_TO_30: Final = ADULTS | {
    "tst_min": Usual(345.6, 451.9, MITTERLING),
    "se_pct": Usual(71.9, 94.1, MITTERLING),
    "N3_pct": Usual(15.2, 37.5, MITTERLING),
    "R_pct": Usual(7.5, 23.6, MITTERLING),
}

OVER_60: Final = ADULTS | {
    "tst_min": Usual(216.0, 440.0, MITTERLING),
    "se_pct": Usual(44.5, 90.9, MITTERLING),
    "N3_pct": Usual(2.4, 35.6, MITTERLING),
    "R_pct": Usual(1.9, 21.9, MITTERLING),
}

FROM_65: Final = OVER_60 | {"waso_min": Usual(np.nan, 30.0, NSF)}

NAMES: Final = {
    "tib_min": ("Time in bed", "min", "the whole record: nobody told when the lights went out"),
    "tst_min": ("Total sleep time", "min", "N1, N2, N3 and R"),
    "se_pct": ("Sleep efficiency", "%", "of the time in bed"),
    "sol_min": ("Sleep onset latency", "min", "to the first epoch of sleep"),
    "waso_min": ("Wake after sleep onset", "min", "until the last epoch of sleep"),
    "rem_latency_min": ("REM latency", "min", "from sleep onset to the first epoch of R"),
    "N1_pct": ("N1", "%", "of the total sleep time"),
    "N2_pct": ("N2", "%", "of the total sleep time"),
    "N3_pct": ("N3", "%", "of the total sleep time"),
    "R_pct": ("R", "%", "of the total sleep time"),
}
"""Name, unit and definition of each statistic, in the order of the report."""


@dataclass(frozen=True)
class Statistic:
    """One line of the table.

    Parameters
    ----------
    name, unit, definition : str
    values : tuple of float
        One for each hypnogram of the night; not a number where it has none.
    minutes : tuple of float
        The same in minutes, for stages; empty otherwise.
    usual : Usual or None
    is_compared : bool
        Whether the first value may be held against what is usual.
    """

    name: str
    unit: str
    definition: str
    values: tuple[float, ...]
    minutes: tuple[float, ...] = ()
    usual: Usual | None = None
    is_compared: bool = True

    @property
    def place(self) -> str:
        """Where the first value lies: 'below', 'within', 'above', or empty where it is not compared."""
        return self.usual.place(self.values[0]) if self.usual and self.is_compared else ""

    def tell(self, number: int) -> str:
        """A value in words, a dash where there is none."""
        value = self.values[number]
        if np.isnan(value):
            return "-"
        return f"{value:.1f} {self.unit}"


@dataclass(frozen=True)
class Group:
    """Whom a night is compared with."""

    name: str
    usual: dict[str, Usual]


def choose_group(age: int | None = None) -> Group:
    """The people to compare with; adults where the age is not told or no source is at hand for it.

    Parameters
    ----------
    age : int, optional
        In years, told by whoever asks for the report: it is not read from the recording.

    Examples
    --------
    >>> choose_group().name, choose_group(25).name, choose_group(45).name, choose_group(70).name
    ('adult reference', 'up to 30 years', 'adult reference', '65 years and older')
    """
    if age is None or 30 < age <= 60:
        return Group("adult reference", ADULTS)
    if age < 18:
        return Group("no reference below 18 years", {})
    if age <= 30:
        return Group("up to 30 years", UP_TO_30)
    return Group("65 years and older", FROM_65) if age >= 65 else Group("over 60 years", OVER_60)


def list_statistics(totals: Sequence[Totals], age: int | None = None) -> list[Statistic]:
    """The statistics of a night by one scorer or several, the first of them compared with what is usual.

    Parameters
    ----------
    totals : sequence of Totals
        One for each hypnogram.
    age : int, optional
        As in `choose_group`.
    """
    return list(_iterate(totals, choose_group(age).usual))


def _iterate(totals: Sequence[Totals], usual: dict[str, Usual]) -> Iterator[Statistic]:
    flat = [one.flatten() for one in totals]
    is_compared = totals[0].tib_min >= WHOLE_NIGHT_MIN
    for key, (name, unit, definition) in NAMES.items():
        minutes = tuple(one[f"{name}_min"] for one in flat) if key.endswith("_pct") and key != "se_pct" else ()
        values = tuple(one[key] for one in flat)
        yield Statistic(name, unit, definition, values, minutes, usual.get(key), is_compared)


def list_sources(statistics: Sequence[Statistic]) -> list[str]:
    """The sources of what is usual, each once."""
    return list(dict.fromkeys(one.usual.source for one in statistics if one.usual))
