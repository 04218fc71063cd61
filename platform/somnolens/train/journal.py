"""The file of a study, on this machine or in a store: Optuna's journal, one line for each thing that happened."""

import atexit
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from somnolens.storage import explain, is_here, put_file

STUDY_FILE = "study.log"


def has_study(run: Path) -> bool:
    """Whether a run folder holds a study.

    Raises
    ------
    StorageError
        Where a store does not answer, which is not the same as that there is none.
    """
    if is_here(run):
        return (run / STUDY_FILE).is_file()
    with explain(run / STUDY_FILE, "looked for"):
        return run.fs.exists((run / STUDY_FILE).path)


def open_storage(run: Path) -> JournalStorage:
    """The journal of a run folder; made where there is none."""
    place = run / STUDY_FILE
    return JournalStorage(JournalFileBackend(str(place)) if is_here(place) else StoredJournal(place))


class StoredJournal(JournalFileBackend):
    """A journal in a file of this machine, of which a store has a copy after every entry.

    Stores have no files to add to. One search at a time may write; whoever opens the journal reads what is in the
    store by then.

    Parameters
    ----------
    place : Path
        Of the copy.

    Raises
    ------
    StorageError
        Where the store does not answer; an entry that was not copied goes with the next.
    """

    def __init__(self, place: Path) -> None:
        here = _make_folder(str(place)) / place.name
        here.unlink(missing_ok=True)
        with explain(place, "read"), suppress(FileNotFoundError):
            here.write_bytes(place.read_bytes())
        super().__init__(str(here))
        self._place = place

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        super().append_logs(logs)
        put_file(Path(self._file_path), self._place)


@cache
def _make_folder(url: str) -> Path:
    """One for all who open the same journal, for as long as this process runs."""
    folder = Path(tempfile.mkdtemp(prefix="somnolens-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
