"""The guesser: every epoch is what most epochs were. Whoever looks must do better."""

from collections.abc import Sequence

import numpy as np

from somnolens.evaluate.systems import LabelledNight, Shown, count_stages


class Majority:
    """Answers with the shares of the training stages, whatever it is shown."""

    name = "majority"
    n_parameters = 5

    def __init__(self) -> None:
        self.shares: np.ndarray | None = None

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Count the training stages."""
        counts = count_stages(training)
        self.shares = counts / counts.sum()

    def stage(self, shown: Shown) -> np.ndarray:
        """The same row for every epoch."""
        assert self.shares is not None
        return np.tile(self.shares, (shown.n_epochs, 1))
