"""Everything that is measured of one system on the nights of a split."""

from dataclasses import dataclass
from typing import Any

from somnolens.evaluate.bland_altman import BlandAltman, NightTotals, add_up_nights, compare_totals
from somnolens.evaluate.calibration import (
    CalibrationFigures,
    Confidence,
    ReviewCurve,
    gather_confidence,
    list_efforts,
    measure_calibration,
    trace_review,
)
from somnolens.evaluate.evaluation import Evaluation
from somnolens.evaluate.intervals import LEVEL, N_RESAMPLES, Interval, describe_intervals, measure_intervals
from somnolens.evaluate.scorers import ScorerComparison, compare_scorers
from somnolens.evaluate.slices import Slice, slice_evaluation


@dataclass(frozen=True, eq=False)
class Summary:
    """What is told of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
    intervals : dict of str to Interval
        As `measure_intervals` gives them.
    slices : list of Slice
    confidence : Confidence or None
        Of the answers as they are told; None where the system gives no probabilities, and so the next three.
    calibration, picture_calibration : CalibrationFigures or None
        Of the answers, and of each picture by itself where the system has a night-level step.
    review : ReviewCurve or None
    night_totals : list of NightTotals
    totals : list of BlandAltman
    scorers : ScorerComparison or None
        None where no night has several scorers.
    """

    evaluation: Evaluation
    intervals: dict[str, Interval]
    slices: list[Slice]
    confidence: Confidence | None
    calibration: CalibrationFigures | None
    picture_calibration: CalibrationFigures | None
    review: ReviewCurve | None
    night_totals: list[NightTotals]
    totals: list[BlandAltman]
    scorers: ScorerComparison | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for metrics.json."""
        found: dict[str, Any] = {
            "system": self.evaluation.system,
            "subjects": len(self.evaluation.subjects),
            "pooled": self.evaluation.pooled.to_dict(),
            "intervals": {"level": LEVEL, "resamples": N_RESAMPLES, "method": "BCa over subjects"}
            | describe_intervals(self.intervals),
            "nights": {night.night: night.agreement.to_dict() for night in self.evaluation.nights},
            "totals": [one.to_dict() for one in self.totals],
        }
        if self.calibration and self.review:
            found["calibration"] = self.calibration.to_dict()
            found["review"] = list_efforts(self.review, len(self.evaluation.nights))
        if self.picture_calibration:
            found["calibration_of_pictures"] = self.picture_calibration.to_dict()
        return found | ({"scorers": self.scorers.to_dict()} if self.scorers else {})


def summarise(evaluation: Evaluation, seed: int = 0) -> Summary:
    """Measure everything.

    Raises
    ------
    EvaluationError
        Where not one epoch is scored.
    """
    told, alone = gather_confidence(evaluation), gather_confidence(evaluation, alone=True)
    night_totals = add_up_nights(evaluation)
    return Summary(
        evaluation=evaluation,
        intervals=measure_intervals(evaluation, seed=seed),
        slices=slice_evaluation(evaluation, seed=seed),
        confidence=told,
        calibration=measure_calibration(told) if told else None,
        picture_calibration=measure_calibration(alone) if alone else None,
        review=trace_review(told) if told else None,
        night_totals=night_totals,
        totals=compare_totals(night_totals, seed),
        scorers=compare_scorers(evaluation),
    )
