"""A registry of adapters: a plain folder or a place in a bucket that holds adapters and says which one serves.

    REGISTRY/
      adapters/NAME/            a plain PEFT folder, as training writes it
      added/NAME.json           when it was added, and the SHA-256 of each of its files; written before them
      promotions/000007.json    what was promoted and why; the highest number serves

Object stores can neither append nor rename, so nothing is changed once it is written. A decision is one new small
file, which one writer alone can create: of two promoters at once, one is refused.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from somnolens.errors import RegistryError
from somnolens.model.card import CARD_FILE
from somnolens.provenance import fingerprint
from somnolens.storage import explain, is_here, list_names, parse_path, write_bytes

PROMOTED = "promoted"
"""In place of a name: whichever adapter is promoted."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE = re.compile(r"[^./\\][^/\\]*")
_HELD = re.compile(r"adapters/([^/]+)/(.+)|added/([^/]+)\.json")
_NUMBERED = re.compile(r"promotions/(\d{6,})\.json")
_CARD_PARTS = ("settings", "base_model", "dataset", "metrics")
_READERS = 16
_Written = TypeVar("_Written")


@dataclass(frozen=True)
class Record:
    """What was written when an adapter was added.

    Parameters
    ----------
    name : str
    added : str
        UTC, ISO 8601.
    fingerprint : str
        Over names and contents of all files.
    files : dict of str to str
        SHA-256 of each file.
    code : dict
        Version and revision that added it.
    """

    name: str
    added: str
    fingerprint: str
    files: dict[str, str]
    code: dict[str, str]


@dataclass(frozen=True)
class Promotion:
    """One decision on which adapter serves. Of who decided, nothing is kept.

    Parameters
    ----------
    number : int
        Counts from 1.
    adapter, fingerprint : str
    previous : str or None
        What served until then.
    back : bool
        Whether this took the promotion before back.
    why : str
    time : str
        UTC, ISO 8601.
    code : dict
        Version and revision that promoted it.
    """

    number: int
    adapter: str
    fingerprint: str
    previous: str | None
    back: bool
    why: str
    time: str
    code: dict[str, str]


@dataclass(frozen=True)
class Entry:
    """One adapter of a registry as a list shows it.

    Parameters
    ----------
    name : str
    record : Record or None
    card : dict
        As `somnolens.json` holds it, whatever version wrote it; empty where it cannot be read.
    problem : str
        What is wrong with it; empty where nothing is.
    """

    name: str
    record: Record | None = None
    card: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Registry:
    """A registry as it was when it was opened.

    Parameters
    ----------
    place : Path
    files : tuple of str
        Everything in it, relative to `place`.
    """

    place: Path
    files: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Every adapter, broken ones too."""
        found = (match[1] or match[3] for file in self.files if (match := _HELD.fullmatch(file)))
        return sorted({name for name in found if NAME.fullmatch(name)})

    @property
    def numbers(self) -> list[int]:
        """Of all promotions, rising."""
        return sorted(int(match[1]) for file in self.files if (match := _NUMBERED.fullmatch(file)))

    def list_files(self, name: str) -> set[str]:
        """Files of one adapter; those of a program at work, which begin with a dot, are left out."""
        found = (match[2] for file in self.files if (match := _HELD.fullmatch(file)) and match[1] == name)
        return {file for file in found if not file.startswith(".")}

    def read_promotions(self) -> list[Promotion]:
        """All of them, the first one first.

        Raises
        ------
        RegistryError
            Where one cannot be understood: an earlier one must not serve in its place.
        """
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(self.read_promotion, self.numbers))

    def read_promotion(self, number: int) -> Promotion:
        """One promotion by its number."""
        return read_written(locate_promotion(self.place, number), Promotion)

    def find_promoted(self) -> Promotion | None:
        """The promotion that holds now."""
        return self.read_promotion(self.numbers[-1]) if self.numbers else None

    def read_record(self, name: str) -> Record:
        """What was written when an adapter was added, once its files are known to be there.

        Raises
        ------
        RegistryError
            Where there is none of this name, or it is broken.
        """
        if name not in self.names:
            raise RegistryError(f"{self.place} has no adapter {name!r}. {self._suggest(name)}")
        if f"added/{name}.json" not in self.files:
            raise RegistryError(
                f"{self.place}/adapters/{name} was not added but put there: there is no added/{name}.json. "
                "Add it with `somnolens adapters add`."
            )
        path = self.place / "added" / f"{name}.json"
        record = read_written(path, Record)
        if not _is_consistent(record, name):
            raise RegistryError(
                f"{path} was changed after it was written: name, files and fingerprint do not belong together. "
                "Do not use this adapter; promote another, or add the original under a new name."
            )
        self._check_names(record)
        return record

    def read_entry(self, name: str) -> Entry:
        """One adapter with its card, or with what is wrong with it."""
        try:
            record = self.read_record(name)
            return Entry(name, record, _read_card(self.place / "adapters" / name / CARD_FILE))
        except RegistryError as error:
            return Entry(name, problem=str(error))

    def read_sound_entry(self, name: str) -> Entry:
        """One adapter with its card.

        Raises
        ------
        RegistryError
            Where something is wrong with it.
        """
        entry = self.read_entry(name)
        if entry.problem:
            raise RegistryError(entry.problem)
        return entry

    def read_entries(self) -> list[Entry]:
        """All adapters: a broken one neither stops the list nor disappears from it."""
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(self.read_entry, self.names))

    def _check_names(self, record: Record) -> None:
        there = self.list_files(record.name)
        lacking, foreign = sorted(set(record.files) - there), sorted(there - set(record.files))
        if lacking:
            raise RegistryError(
                f"{self.place}#{record.name} is not whole: it has no {' and no '.join(lacking)}. "
                "Add the same adapter again under this name, and what is missing is written."
            )
        if foreign:
            raise RegistryError(
                f"{self.place}#{record.name} holds files that were not added with it: {', '.join(foreign)}. "
                "Remove them."
            )

    def _suggest(self, name: str) -> str:
        near = get_close_matches(name, self.names, n=3) or self.names[-3:]
        if not near:
            return "It holds none yet: add one with `somnolens adapters add`."
        return f"There are {len(self.names)}, as {', '.join(map(repr, near))}; `somnolens adapters list` has them all."


def open_registry(place: str | Path) -> Registry:
    """Look at a registry, by one listing.

    Raises
    ------
    RegistryError
        Where there is none.
    StorageError
    """
    folder = parse_path(place)
    registry = Registry(folder, tuple(list_names(folder)))
    if not registry.names and not registry.numbers:
        raise RegistryError(
            f"There is no registry at {place}: looked for adapters/, added/ and promotions/. "
            f"The first adapter makes one: somnolens adapters add ADAPTER --registry {place}"
        )
    return registry


def split_address(adapter: str) -> tuple[str, str] | None:
    """Registry and name of `REGISTRY#NAME`; None where it is a folder, or a name without a registry.

    Examples
    --------
    >>> split_address("s3://lab/registry#promoted")
    ('s3://lab/registry', 'promoted')
    """
    place, sign, name = adapter.rpartition("#")
    return (place, name) if sign and place and not Path(adapter).exists() else None


def pin_adapter(adapter: str | Path) -> str:
    """An adapter in words that mean the same in every process, now and later: `promoted` becomes a name.

    Raises
    ------
    RegistryError
    """
    address = split_address(str(adapter))
    if address is None:
        stays = str(adapter) == "embedded" or "://" in str(adapter)
        return str(adapter) if stays else str(Path(adapter).absolute())
    place = parse_path(address[0])
    record = _find_record(open_registry(place), address[1])
    return f"{place.absolute() if is_here(place) else place}#{record.name}"


def fetch_adapter(place: str | Path, name: str) -> Path:
    """Folder of a registry's adapter on this machine, every file compared with what was added.

    Out of a store it is copied to the user's cache, where it is found the next time.

    Parameters
    ----------
    place : str or Path
    name : str
        Or 'promoted'.

    Raises
    ------
    RegistryError
        Where there is none of this name, or it was changed.
    StorageError
    """
    registry = open_registry(place)
    record = _find_record(registry, name)
    folder = registry.place / "adapters" / record.name
    if is_here(folder):
        check_contents(registry, record)
        return folder
    copy = _locate_cache() / record.fingerprint / record.name
    try:
        for file in record.files:
            if not _holds(copy / file, record.files[file]):
                write_bytes(copy / file, _read_unchanged(registry, record, file))
    except OSError as error:
        raise RegistryError(
            f"{place}#{record.name} cannot be kept in {copy}: {error.strerror}. "
            "Name a folder that can be written in XDG_CACHE_HOME."
        ) from None
    return copy


def _find_record(registry: Registry, name: str) -> Record:
    """Of a name, or of what is promoted."""
    if name != PROMOTED:
        return registry.read_record(name)
    last = registry.find_promoted()
    if last is None:
        raise RegistryError(
            f"Nothing is promoted in {registry.place}. Promote an adapter with `somnolens adapters promote`, or "
            f"name one as {registry.place}#NAME."
        )
    record = registry.read_record(last.adapter)
    if record.fingerprint != last.fingerprint:
        raise RegistryError(
            f"{registry.place}#{last.adapter} has fingerprint {record.fingerprint}, but {last.fingerprint} was "
            "promoted. Promote another adapter."
        )
    return record


def _is_consistent(record: Record, name: str) -> bool:
    """Its file names become paths of this machine: none may lead out of its folder."""
    if record.name != name or not isinstance(record.files, dict):
        return False
    return record.fingerprint == fingerprint(record.files) and all(map(_FILE.fullmatch, record.files))


def check_contents(registry: Registry, record: Record) -> None:
    """Compare every file of an adapter with what was added.

    Raises
    ------
    RegistryError
    """
    for file in record.files:
        _read_unchanged(registry, record, file)


def _read_unchanged(registry: Registry, record: Record, file: str) -> bytes:
    path = registry.place / "adapters" / record.name / file
    with explain(path, "read"):
        content = path.read_bytes()
    digest, before = hash_content(content), record.files[file]
    if digest != before:
        raise RegistryError(
            f"{registry.place}#{record.name} was changed after it was added: {file} has SHA-256 {digest[:12]}, "
            f"it had {before[:12]}. Do not use it; promote another, or add the original under a new name."
        )
    return content


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and hash_content(path.read_bytes()) == digest


def _locate_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "somnolens" / "adapters"


def locate_promotion(place: Path, number: int) -> Path:
    """File of a promotion."""
    return place / "promotions" / f"{number:06}.json"


def read_written(path: Path, kind: Callable[..., _Written]) -> _Written:
    """A record or a promotion as it was written.

    Raises
    ------
    RegistryError
    """
    content = _read_object(path)
    try:
        return kind(**content)
    except TypeError as error:
        raise RegistryError(
            f"{path} cannot be understood: {error}. Was it written by another version of somnolens?"
        ) from None


def _read_card(path: Path) -> dict[str, Any]:
    card = _read_object(path)
    wrong = [part for part in _CARD_PARTS if not isinstance(card.get(part), dict)]
    if wrong:
        raise RegistryError(
            f"{path} cannot be understood: it has no {' and no '.join(wrong)}. Train the adapter again."
        )
    return card


def _read_object(path: Path) -> dict[str, Any]:
    with explain(path, "read"):
        text = path.read_bytes()
    try:
        content = json.loads(text)
    except ValueError as error:
        raise RegistryError(f"{path} cannot be understood: {error}. Restore it from a copy, or remove it.") from None
    if not isinstance(content, dict):
        raise RegistryError(f"{path} cannot be understood: it holds {content!r:.40}. Restore it, or remove it.")
    return content


def hash_content(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def tell_time() -> str:
    """Now in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def dump(written: Record | Promotion) -> bytes:
    """As it is written."""
    return (json.dumps(asdict(written), indent=2, ensure_ascii=False) + "\n").encode()
