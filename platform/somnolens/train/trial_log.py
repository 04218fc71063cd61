"""What befell a trial, written where every node sees it.

A trial has processes on several machines, and any of them may be lost. Those that go on write here; the search reads
it when the trial has ended.
"""

from pathlib import Path

from somnolens.storage import write_bytes


class TrialLog:
    """Interruptions of one trial, and why it failed if it did.

    Parameters
    ----------
    run : Path
        Run folder of the search, on this machine or in a store.
    name : str
        Of the trial's Ray Train run.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> log = TrialLog(Path(mkdtemp()), "trial-1")
    >>> for _ in range(3):
    ...     log.begin()
    >>> log.n_interruptions
    2
    """

    def __init__(self, run: Path, name: str) -> None:
        self._interruptions = run / "ray" / "interruptions" / f"{name}.txt"
        self._failure = run / "ray" / "failures" / f"{name}.txt"

    def begin(self) -> None:
        """Note a start: every one but the first follows the loss of the process, or of the whole search."""
        if self._interruptions.is_file():
            self.note("the process of the trial was lost")
            self._failure.unlink(missing_ok=True)
        else:
            write_bytes(self._interruptions, b"")

    def note(self, what: str) -> None:
        """Note an interruption, after which the trial goes on from its last checkpoint."""
        write_bytes(self._interruptions, (_read(self._interruptions) + f"{what}\n").encode())

    def fail(self, why: str) -> None:
        """Note that the trial ends without a model."""
        write_bytes(self._failure, why.encode())

    @property
    def n_interruptions(self) -> int:
        return len(_read(self._interruptions).splitlines())

    @property
    def failure(self) -> str:
        """Why it failed; empty where it did not, or nobody was left to tell."""
        return _read(self._failure)


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
