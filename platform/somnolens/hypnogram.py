"""A hypnogram: one stage per epoch, by one scorer, by several, or by a model."""

from dataclasses import dataclass, replace

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES, UNSCORED


@dataclass(frozen=True, eq=False)
class Hypnogram:
    """One stage per 30-s epoch.

    Parameters
    ----------
    stages : tuple of str
        'W', 'N1', 'N2', 'N3', 'R' or 'UNSCORED'.
    scorer : str
        Who staged the night.
    start_s : float
        Time of the first epoch since the start of the recording.
    probabilities : ndarray, shape (n_epochs, 5), or None
        Hypnodensity, in the order of `aasm.STAGES`; rows sum to 1.
    notes : tuple of str
        What the reader found and did (texts left unscored, a tail dropped).
    step_s : float
        From the beginning of one epoch to that of the next. Less than 30 only where a night was scored in
        shorter epochs and each is drawn with the signal around it, so that neighbours overlap.

    Examples
    --------
    >>> night = Hypnogram(("W", "N1", "N2", "UNSCORED"), scorer="expert")
    >>> night.counts()
    {'W': 1, 'N1': 1, 'N2': 1, 'N3': 0, 'R': 0, 'UNSCORED': 1}
    """

    stages: tuple[str, ...]
    scorer: str = "unknown"
    start_s: float = 0.0
    probabilities: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    step_s: float = float(EPOCH_S)

    def __len__(self) -> int:
        return len(self.stages)

    @property
    def duration_s(self) -> float:
        """From the beginning of the first epoch to the end of the last."""
        return (len(self.stages) - 1) * self.step_s + EPOCH_S if self.stages else 0.0

    def counts(self) -> dict[str, int]:
        """Epochs per stage, UNSCORED last."""
        return {stage: self.stages.count(stage) for stage in (*STAGES, UNSCORED)}

    def codes(self) -> np.ndarray:
        """Stages as integers, shape (n_epochs,): index into `aasm.STAGES`, -1 for UNSCORED."""
        order = {stage: code for code, stage in enumerate(STAGES)}
        return np.array([order.get(stage, -1) for stage in self.stages], dtype=np.int64)

    def cut(self, duration_s: float) -> "Hypnogram":
        """Keep the whole epochs that lie inside the first `duration_s` of the recording."""
        n_epochs = max(0, int((duration_s - self.start_s - EPOCH_S + 1e-6) // self.step_s) + 1)
        if n_epochs >= len(self):
            return self
        probabilities = None if self.probabilities is None else self.probabilities[:n_epochs]
        return replace(self, stages=self.stages[:n_epochs], probabilities=probabilities)

    @classmethod
    def from_codes(cls, codes: np.ndarray, scorer: str = "unknown", start_s: float = 0.0) -> "Hypnogram":
        """Build from integers: index into `aasm.STAGES`, anything else UNSCORED."""
        stages = tuple(STAGES[code] if 0 <= code < len(STAGES) else UNSCORED for code in codes)
        return cls(stages, scorer=scorer, start_s=start_s)
