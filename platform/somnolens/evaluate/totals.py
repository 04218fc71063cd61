"""The totals that a sleep report states of a night, by YASA's definitions.

YASA (R. Vallat and M. P. Walker, eLife 10:e70092, 2021; `yasa.Hypnogram.sleep_statistics`) follows the AASM
manual. Two things a reader should know:

- **Time in bed** is the whole hypnogram, since nobody told the lights: cut it to lights out and lights on first
  if they are known.
- **REM latency** is the manual's, from sleep onset to the first epoch of R. YASA counts from the beginning of the
  record and says itself that the manual's is its `Lat_REM - SOL`, which is what stands here.

UNSCORED epochs count as time in bed and as neither sleep nor wake.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from somnolens.aasm import STAGES
from somnolens.errors import EvaluationError
from somnolens.hypnogram import Hypnogram

_YASA_NAMES: Final = {"W": "WAKE", "N1": "N1", "N2": "N2", "N3": "N3", "R": "REM", "UNSCORED": "UNS"}


@dataclass(frozen=True)
class Totals:
    """Totals of one night; not a number where a night has none (no sleep, no R).

    Parameters
    ----------
    tib_min : float
        Time in bed: the whole hypnogram.
    tst_min : float
        Total sleep time: N1, N2, N3 and R.
    se_pct : float
        Sleep efficiency: total sleep time over time in bed.
    waso_min : float
        W between the first and the last epoch of sleep.
    sol_min : float
        Sleep onset latency: from the beginning to the first epoch of any sleep stage.
    rem_latency_min : float
        From sleep onset to the first epoch of R.
    minutes : dict of str to float
        Minutes of each stage of `aasm.STAGES`.
    percent : dict of str to float
        Percent of total sleep time of N1, N2, N3 and R.
    """

    tib_min: float
    tst_min: float
    se_pct: float
    waso_min: float
    sol_min: float
    rem_latency_min: float
    minutes: dict[str, float] = field(default_factory=dict)
    percent: dict[str, float] = field(default_factory=dict)

    def flatten(self) -> dict[str, float]:
        """Every total under one name: those above, `N1_min`, ..., `N1_pct`, ..."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("minutes", "percent")}
        minutes = {f"{stage}_min": value for stage, value in self.minutes.items()}
        return plain | minutes | {f"{stage}_pct": value for stage, value in self.percent.items()}


def measure_totals(hypnogram: Hypnogram) -> Totals:
    """Measure the totals of a night.

    Raises
    ------
    EvaluationError
        Where the hypnogram is empty.

    Examples
    --------
    >>> totals = measure_totals(Hypnogram(("W", "W", "N1", "N2", "W", "N2", "R", "R", "W", "W")))
    >>> totals.tst_min, totals.se_pct, totals.waso_min, totals.sol_min, totals.rem_latency_min
    (2.5, 50.0, 0.5, 1.0, 2.0)
    """
    if not len(hypnogram):
        raise EvaluationError(
            f"The hypnogram of {hypnogram.scorer} has no epoch, so that there is nothing to add up. Score the night."
        )
    found = _ask_yasa(hypnogram)
    return Totals(
        tib_min=found["TIB"],
        tst_min=found["TST"],
        se_pct=found["SE"],
        waso_min=found["WASO"],
        sol_min=found["SOL"],
        rem_latency_min=round(found["Lat_REM"] - found["SOL"], 4),
        minutes={stage: found[_YASA_NAMES[stage]] for stage in STAGES},
        percent={stage: found[f"%{_YASA_NAMES[stage]}"] for stage in STAGES[1:]},
    )


def _ask_yasa(hypnogram: Hypnogram) -> dict[str, Any]:
    import yasa  # takes seconds to import, and scoring does without

    names = np.array([_YASA_NAMES[stage] for stage in hypnogram.stages], dtype=object)
    found = yasa.Hypnogram(names, n_stages=5, freq=f"{hypnogram.step_s:g}s").sleep_statistics()
    return {name: float(value) for name, value in found.items()}
