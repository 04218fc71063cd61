"""Nights that the service keeps: a folder each, below one that all its processes share, or in a bucket.

    nights/ID/record.json       whose it is, until when it is kept, what was asked for
    nights/ID/kept              an empty mark, where the client asked to keep it
    nights/ID/upload.edf        as it came; removed once the night is staged
    nights/ID/progress.json     how far it is, now and then
    nights/ID/scored.json       the scored night
    nights/ID/signals.npy       prepared signals, where it is kept: what pictures, explanations and reports need
    nights/ID/answer.json       the answer as the client gets it
    nights/ID/outcome.json      written last: the night is done, or has failed and why
    nights/ID/corrections.json  stages that a person has changed
    keys/HASH.json              the night that an Idempotency-Key stands for

No header field that names a person is in any of them but the upload. An id is 128 random bits; a night of another
client is one that there is not.
"""

import hashlib
import io
import json
import re
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from somnolens import storage
from somnolens.config import ServeSettings
from somnolens.serve.messages.problems import BusyError, RequestError
from somnolens.service_settings import MB

UPLOAD, RECORD, MARK, PROGRESS, OUTCOME = "upload.edf", "record.json", "kept", "progress.json", "outcome.json"
ANSWER, CORRECTIONS, SCORED, SIGNALS = "answer.json", "corrections.json", "scored.json", "signals.npy"
PIECE_BYTES = 4 * MB
"""Recordings come from clients and go to disks in such pieces."""

UNFINISHED_H = 6.0
"""A night that nobody keeps and nobody finished, its ingress being lost, is emptied after so long."""

_ID = re.compile(r"[0-9a-f]{32}")
State = Literal["queued", "reading", "looking", "finishing", "done", "failed"]


class UnknownNightError(RequestError):
    """There is no such night."""

    status = HTTPStatus.NOT_FOUND


class ConflictError(RequestError):
    """The request contradicts one that was sent before."""

    status = HTTPStatus.CONFLICT


@dataclass(frozen=True)
class Step:
    """How far a night is.

    Parameters
    ----------
    state : str
    progress : float
        0 to 1.
    problem : dict, optional
        A problem document, of a night that failed.
    """

    state: State
    progress: float = 0.0
    problem: dict[str, Any] | None = None

    @property
    def is_last(self) -> bool:
        return self.state in ("done", "failed")


@dataclass(frozen=True)
class Note:
    """A step, and when it was written down (seconds since 1970)."""

    step: Step
    at: float


@dataclass(frozen=True)
class Claim:
    """The night that an Idempotency-Key stands for, and the digest of what it came with."""

    id: str
    digest: str


@dataclass(frozen=True)
class NightRecord:
    """What is known of a night before it is staged.

    Parameters
    ----------
    id : str
    client : str
        Name of the key that sent it.
    made_at, expires_at : float
        Seconds since 1970.
    keep : bool
        Whether its signals are kept after the answer.
    adapter : str
        Address of the one that stages it, fixed when the night is accepted.
    source : dict
        Where the recording comes from if it was not uploaded: `{"url": ...}` or `{"seed": ..., "hours": ...}`.
    has_key : bool
        Whether an Idempotency-Key stands for it, so that its answer may be asked for again.
    """

    id: str
    client: str
    made_at: float
    expires_at: float
    keep: bool
    adapter: str = "embedded"
    source: dict[str, Any] = field(default_factory=dict)
    has_key: bool = False


Shape = TypeVar("Shape")
RECORDS, STEPS, NOTES, CLAIMS = (TypeAdapter(shape) for shape in (NightRecord, Step, Note, Claim))
"""Another version of the service may have written what is read: what it wrote besides is passed over, and what has
another shape is as good as nothing."""


class NightStore:
    """Files of nights.

    Parameters
    ----------
    folder : Path
        Of this machine, or of an object store.
    keep_h : float
        Hours until a night is emptied.
    most_nights : int
        Kept at once, of all clients together.
    """

    def __init__(self, folder: Path, keep_h: float, most_nights: int) -> None:
        self._folder, self._keep_h, self._most_nights = folder, keep_h, most_nights
        self._without_record: set[str] = set()

    def begin(
        self,
        client: str,
        keep: bool,
        adapter: str = "embedded",
        source: dict[str, Any] | None = None,
        has_key: bool = False,
    ) -> NightRecord:
        """A new night under a new id.

        Raises
        ------
        BusyError
            Where as many are kept as may be.
        """
        if keep and self.count() >= self._most_nights:
            raise BusyError(
                f"The service keeps {self._most_nights} nights, the most it takes. Delete one "
                "(DELETE /v1/nights/ID), or send keep=false."
            )
        now = time.time()
        hours = self._keep_h if keep else min(self._keep_h, UNFINISHED_H)
        until = now + 3600 * hours
        record = NightRecord(secrets.token_hex(16), client, now, until, keep, adapter, source or {}, has_key)
        self._write_json(record.id, RECORD, asdict(record))
        if keep:
            self.write(record.id, MARK, b"")
        return record

    def open(self, id: str, client: str) -> NightRecord:
        """The record of a night of this client.

        Raises
        ------
        UnknownNightError
        """
        record = self.find(id)
        if record is None or record.client != client or record.expires_at < time.time():
            raise UnknownNightError(
                f"There is no night {id!r}, or it was deleted, or kept for {self._keep_h:g} h and emptied, or another "
                "version of the service kept it. Send the recording again with keep=true."
            )
        return record

    def find(self, id: str) -> NightRecord | None:
        """The record of a night, whoever sent it; None where there is none that this version can read."""
        return self._read_as(RECORDS, self._locate(id, RECORD)) if _ID.fullmatch(id) else None

    def take_upload(self, id: str, path: Path) -> None:
        """Move an uploaded file of this machine to its night."""
        target = self._locate(id, UPLOAD)
        if storage.is_here(target):
            shutil.move(path, target)
        else:
            storage.put_file(path, target)

    def bring_upload(self, id: str, folder: Path) -> Path:
        """The uploaded file on this machine: where it lies, or its copy in a folder.

        Raises
        ------
        UnknownNightError
            Where it is not there: of a store that is not shared, or a night that was deleted meanwhile.
        """
        path = self._locate(id, UPLOAD)
        if not path.exists():
            raise UnknownNightError(
                f"The upload of night {id!r} is not there: the night was deleted, or serve.nights_folder is not a "
                "folder that all machines of the service share. Send it again."
            )
        return path if storage.is_here(path) else storage.fetch(path, folder)

    def write(self, id: str, name: str, content: bytes) -> None:
        """Write a file of a night, whole or not at all."""
        storage.write_bytes(self._locate(id, name), content)

    def read(self, id: str, name: str) -> bytes | None:
        """A file of a night; None where there is none."""
        try:
            return self._locate(id, name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, id: str, name: str) -> bool:
        """Whether a night has a file."""
        return self._locate(id, name).exists()

    def map_array(self, id: str, name: str) -> np.ndarray | None:
        """Numbers of an npy file, of which those are read that are looked at; of a bucket all of them.

        What is written to the array does not reach the file.
        """
        path = self._locate(id, name)
        if not path.exists():
            return None
        if storage.is_here(path):
            return np.load(path, mmap_mode="c", allow_pickle=False)
        return np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)

    def note(self, id: str, step: Step) -> None:
        """Write down how far a night is, unless it was deleted."""
        if self.has(id, RECORD):
            self._write_json(id, PROGRESS, asdict(Note(step, time.time())))

    def finish(self, id: str, step: Step) -> None:
        """Write down that a night is done or has failed, and remove the upload; a failure takes no room.

        Of a night that was deleted meanwhile nothing stays.
        """
        if not self.has(id, RECORD):
            self.remove(id)
            return
        self._write_json(id, OUTCOME, asdict(step))
        self._unlink(self._locate(id, UPLOAD))
        if step.problem:
            self._unlink(self._locate(id, MARK))

    def read_corrections(self, id: str) -> dict[str, Any]:
        """Who corrected which epochs to what; no stages where nobody did."""
        written = self.read(id, CORRECTIONS)
        return json.loads(written) if written else {"scorer": "", "stages": {}}

    def tell_outcome(self, id: str) -> Step | None:
        """How a night ended; None while it has not."""
        return self._read_as(STEPS, self._locate(id, OUTCOME))

    def tell_step(self, id: str) -> tuple[Step, float]:
        """How far a night is, and when that was written down (seconds since 1970; 0 where it never was)."""
        noted = self._read_as(NOTES, self._locate(id, PROGRESS))
        return self.tell_outcome(id) or (noted.step if noted else Step("queued")), noted.at if noted else 0.0

    def remove(self, id: str) -> None:
        """Empty a night; whoever stages it now finds its upload gone."""
        self._remove(self._folder / "nights" / id)

    def count(self) -> int:
        """Nights that clients have asked to keep."""
        return sum(name.endswith(f"/{MARK}") for name in storage.list_names(self._folder / "nights"))

    def sweep(self) -> list[str]:
        """Empty the nights whose time has come, and the keys of nights that are gone; the ids."""
        names = storage.list_names(self._folder / "nights")
        ids = sorted({name.partition("/")[0] for name in names})
        records = {id: self.find(id) for id in ids}
        bare = {id for id, record in records.items() if record is None}
        old = [id for id, record in records.items() if record and record.expires_at < time.time()]
        old += sorted(bare & self._without_record)  # at first sight it may be one that is just being written
        self._without_record = bare
        for id in old:
            self.remove(id)
        for name in storage.list_names(self._folder / "keys"):
            held = self._read_as(CLAIMS, self._folder / "keys" / name)
            if held is None or self.find(held.id) is None:
                self._unlink(self._folder / "keys" / name)
        return old

    def claim_key(self, client: str, key: str, digest: str, id: str) -> str:
        """Let an Idempotency-Key stand for a night; the id of the night that it stands for already, or this one's.

        Of several at once, one is first: a store creates a file once.

        Raises
        ------
        ConflictError
            Where the key came with another body before.
        """
        path = self._locate_key(client, key)
        entry = json.dumps(asdict(Claim(id, digest))).encode()
        for _ in range(3):
            if storage.create_bytes(path, entry):
                return id
            if not path.exists():
                continue
            held = self._read_as(CLAIMS, path)
            if held is None or self.find(held.id) is None:
                self._unlink(path)
                continue
            if held.digest != digest:
                raise ConflictError(
                    "The Idempotency-Key came with another body before. Send a new key with a new request."
                )
            return held.id
        raise BusyError("The Idempotency-Key is being taken by another request. Send the request again.")

    def drop_key(self, client: str, key: str) -> None:
        """Forget a key, so that the request may be tried again."""
        self._unlink(self._locate_key(client, key))

    def _locate(self, id: str, name: str) -> Path:
        assert _ID.fullmatch(id), id
        return self._folder / "nights" / id / name

    def _locate_key(self, client: str, key: str) -> Path:
        named = hashlib.sha256(json.dumps([client, key]).encode()).hexdigest()
        return self._folder / "keys" / f"{named}.json"

    def _write_json(self, id: str, name: str, content: Any) -> None:
        self.write(id, name, json.dumps(content).encode())

    @staticmethod
    def _read_as(shape: TypeAdapter[Shape], path: Path) -> Shape | None:
        try:
            return shape.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    @staticmethod
    def _unlink(path: Path) -> None:
        with suppress(FileNotFoundError):
            path.unlink()

    @staticmethod
    def _remove(folder: Path) -> None:
        if storage.is_here(folder):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with suppress(FileNotFoundError), storage.explain(folder, "emptied"):
                folder.fs.rm(folder.path, recursive=True)


def open_store(settings: ServeSettings) -> NightStore:
    """The store of the settings, whose folder must be named by now.

    Raises
    ------
    StorageError
    """
    folder = storage.parse_path(settings.nights_folder)
    if storage.is_here(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return NightStore(folder, settings.keep_h, settings.most_nights)


def name_folder(settings: ServeSettings) -> ServeSettings:
    """Settings with a folder for nights: the one they name, else a private one that nobody can guess."""
    if settings.nights_folder:
        return settings
    folder = Path(tempfile.gettempdir()) / f"somnolens-nights-{secrets.token_hex(8)}"
    return settings.model_copy(update={"nights_folder": str(folder)})
