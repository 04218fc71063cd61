"""What a reader must find in a fake night."""

from collections import Counter
from dataclasses import dataclass

Sources = tuple[str | None, str | None, str | None, str | None, str | None, str | None]
"""How each recommended derivation is made, in the order of `aasm.RECOMMENDED_DERIVATIONS`; None if missing."""


@dataclass(frozen=True)
class Truth:
    """One night, as it must be read.

    Parameters
    ----------
    night, subject : str
    sources : tuple
    scorers : dict of str to tuple of str
        Stages by scorer, all of the epochs that lie in the signal.
    start_s, step_s : float
        Of the first epoch, and from one to the next.
    """

    night: str
    subject: str
    sources: Sources
    scorers: dict[str, tuple[str, ...]]
    start_s: float = 0.0
    step_s: float = 30.0

    @property
    def counts(self) -> list[Counter]:
        return [Counter(stages) for stages in self.scorers.values()]
