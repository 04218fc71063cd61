"""Support: how often the measured evidence supports the model's stage, where it was right and where it was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from somnolens.aasm import STAGES
from somnolens.explain.intervals import Interval, compare_shares, divide_sums
from somnolens.explain.night import NightEvidence


@dataclass(frozen=True, eq=False)
class Support:
    """Counts by subject and stage of the model.

    Parameters
    ----------
    n_right, n_wrong, supported_right, supported_wrong : ndarray of int, shape (n_subjects, 5)
        Epochs the model named right and wrong, by the stage it named, and how many of these the evidence supports.
    listed_right, listed_wrong : ndarray of int, shape (n_subjects, 5)
        How many of these join the review list, since the evidence supports another stage.
    """

    n_right: np.ndarray
    n_wrong: np.ndarray
    supported_right: np.ndarray
    supported_wrong: np.ndarray
    listed_right: np.ndarray
    listed_wrong: np.ndarray

    def rate(self, right: bool, stage: str | None = None) -> Interval:
        """Share of right or of wrong answers that is supported, of one stage or of all."""
        some = slice(None) if stage is None else [STAGES.index(stage)]
        hits, n = (self.supported_right, self.n_right) if right else (self.supported_wrong, self.n_wrong)
        return divide_sums(hits[:, some].sum(axis=1), n[:, some].sum(axis=1))

    def gap(self, stage: str | None = None) -> Interval:
        """Support of right answers less that of wrong ones: the figure with a bar, 0.20."""
        some = slice(None) if stage is None else [STAGES.index(stage)]
        right = self.supported_right[:, some].sum(axis=1), self.n_right[:, some].sum(axis=1)
        return compare_shares(right, (self.supported_wrong[:, some].sum(axis=1), self.n_wrong[:, some].sum(axis=1)))

    @property
    def wrong_among_listed(self) -> Interval:
        """Share of the review list that the model really named wrong."""
        wrong = self.listed_wrong.sum(axis=1)
        return divide_sums(wrong, wrong + self.listed_right.sum(axis=1))

    @property
    def wrong_among_all(self) -> Interval:
        """Share of all epochs that the model named wrong."""
        wrong = self.n_wrong.sum(axis=1)
        return divide_sums(wrong, wrong + self.n_right.sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "n_subjects": len(self.n_right),
            "n_right": int(self.n_right.sum()),
            "n_wrong": int(self.n_wrong.sum()),
            "n_listed": int((self.listed_right + self.listed_wrong).sum()),
            "right": self.rate(True).to_list(),
            "wrong": self.rate(False).to_list(),
            "gap": self.gap().to_list(),
            "wrong_among_listed": self.wrong_among_listed.to_list(),
            "wrong_among_all": self.wrong_among_all.to_list(),
            "stages": {
                stage: {
                    "n_right": int(self.n_right[:, code].sum()),
                    "n_wrong": int(self.n_wrong[:, code].sum()),
                    "right": self.rate(True, stage).to_list(),
                    "wrong": self.rate(False, stage).to_list(),
                }
                for code, stage in enumerate(STAGES)
            },
        }


def measure_support(nights: Sequence[tuple[NightEvidence, np.ndarray]]) -> Support:
    """Count over nights, one per subject.

    Parameters
    ----------
    nights : sequence of (NightEvidence, ndarray of int, shape (n_epochs,))
        What the signal says of the model's stages, and the true codes, -1 where there is none.
    """
    counted = [_count_night(evidence, truth) for evidence, truth in nights]
    return Support(*(np.stack(one) for one in zip(*counted, strict=True)))


def _count_night(evidence: NightEvidence, truth: np.ndarray) -> list[np.ndarray]:
    known = [(one, code) for one, code in zip(evidence.epochs, truth, strict=True) if code >= 0 and one.stage in STAGES]
    named = np.array([STAGES.index(one.stage) for one, _ in known], dtype=int)
    right = np.array([STAGES.index(one.stage) == code for one, code in known], dtype=bool)
    supported = np.array([one.is_supported for one, _ in known], dtype=bool)
    listed = np.array([bool(one.disagreement) for one, _ in known], dtype=bool)
    picks = (right, ~right, right & supported, ~right & supported, right & listed, ~right & listed)
    return [np.bincount(named[pick], minlength=len(STAGES)) for pick in picks]
