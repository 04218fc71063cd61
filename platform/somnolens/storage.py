"""Where files lie: on this machine, or in an object store.

A path of an object store is a `upath.UPath`, which has the methods of `pathlib.Path` and goes through fsspec:
`s3://`, `gs://`, `abfs://` and whatever else fsspec opens. Libraries that want a real file get a copy of it.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from upath import UPath

from somnolens.errors import StorageError

_PIECE_BYTES = 2**23
_ASKED_AT_ONCE = 16


def parse_path(text: str | Path) -> Path:
    """A path of this machine, or of an object store where `text` is a URL.

    Object stores are asked each time what they hold: other workers write to them.

    Raises
    ------
    StorageError
        Where the URL is of no kind that can be opened here.

    Examples
    --------
    >>> parse_path("nights"), parse_path("memory://nights/a.edf").name
    (PosixPath('nights'), 'a.edf')
    """
    if isinstance(text, Path | UPath) or "://" not in text:
        return text if isinstance(text, UPath) else Path(text)
    try:
        return UPath(text, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StorageError(
            f"{text} cannot be opened: {error}. Install somnolens[s3], [gcs] or [azure], or name a folder."
        ) from None


def is_here(path: Path) -> bool:
    """Whether a path is one of this machine's file system."""
    return isinstance(path, Path)


def settle(path: Path) -> Path:
    """A path that means the same in every folder: absolute on this machine, in a store as it is."""
    return path.resolve() if is_here(path) else path


def list_names(folder: Path) -> list[str]:
    """All files below a folder, relative to it, sorted; an object store is asked once.

    Empty where there is no such folder. Folders may go while they are listed.

    Raises
    ------
    StorageError
        Where the store does not answer.
    """
    if is_here(folder):
        paths = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
        return sorted(path.relative_to(folder).as_posix() for path in paths if path.is_file())
    with explain(folder, "listed"):
        root = folder.path.rstrip("/")
        return sorted(path.removeprefix(root).lstrip("/") for path in folder.fs.find(root))


def measure_sizes(paths: Sequence[Path]) -> list[int]:
    """Bytes of each file; 0 where it cannot be told."""
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as threads:
        return list(threads.map(_measure_size, paths))


def _measure_size(path: Path) -> int:
    with suppress(OSError, StorageError), explain(path, "looked at"):
        return int(path.stat().st_size)
    return 0


@contextmanager
def explain(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a store's client raises into one sentence; each has errors of its own kind."""
    try:
        yield
    except Exception as error:
        if is_here(path):
            raise
        reason = str(error).strip().splitlines()
        raise StorageError(
            f"{path} could not be {what} ({type(error).__name__}: {reason[0] if reason else 'no message'}). "
            "Look at the address, the network and the credentials in the environment, and start again."
        ) from None


@contextmanager
def bring_here(paths: Iterable[Path]) -> Iterator[dict[Path, Path]]:
    """Copies of files that lie in an object store, for as long as the block runs; the others as they are.

    Yields
    ------
    dict of Path to Path
        Each path to one of this machine, of the same name.

    Raises
    ------
    StorageError
    """
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        here: dict[Path, Path] = {}
        for number, path in enumerate(dict.fromkeys(paths)):
            here[path] = path if is_here(path) else fetch(path, Path(folder) / str(number))
        yield here


def fetch(path: Path, folder: Path) -> Path:
    """Copy a file of a store into a folder of this machine, which is made where there is none.

    Raises
    ------
    StorageError
    """
    folder.mkdir(exist_ok=True)
    copy = folder / path.name
    with explain(path, "read"), path.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, _PIECE_BYTES)
    return copy


def read_span(path: Path, start: int, stop: int) -> bytes:
    """Bytes of a file from `start` up to `stop`, and no others.

    Raises
    ------
    StorageError
    """
    if not is_here(path):
        with explain(path, "read"):
            return path.fs.cat_file(path.path, start=start, end=stop)
    file = os.open(path, os.O_RDONLY)
    try:
        return os.pread(file, stop - start, start)
    finally:
        os.close(file)


def fetch_folder(folder: Path, target: Path) -> Path:
    """Copy the files of a folder, of this machine or a store, below a new folder of this machine."""
    for name in list_names(folder):
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with explain(folder / name, "read"):
            copy.write_bytes((folder / name).read_bytes())
    return target


@contextmanager
def bring_folder(folder: Path) -> Iterator[Path]:
    """A copy of a folder of a store, for as long as the block runs; one of this machine as it is.

    Raises
    ------
    StorageError
    """
    if is_here(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="somnolens-") as copy:
        yield fetch_folder(folder, Path(copy))


def put_folder(folder: Path, target: Path) -> None:
    """Copy the files of a folder of this machine into one of a store, each whole or not at all."""
    for name in list_names(folder):
        put_file(folder / name, target / name)


def put_file(path: Path, target: Path) -> None:
    """Copy a file of this machine, however large, into a store, whole or not at all."""
    with explain(target, "written"):
        target.fs.put_file(str(path), target.path)


def keep_copy(path: Path) -> Path:
    """A copy of a large file of a store that all processes of this machine share, and later ones too.

    It lies below the folder for temporary files, under a name that is the address; the file in the store must never
    change.

    Raises
    ------
    StorageError
    """
    copy = locate_copy(path)
    if not copy.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copy.parent, prefix=".tmp-") as folder:
            os.replace(fetch(path, Path(folder) / "new"), copy)
    return copy


def locate_copy(path: Path) -> Path:
    """Where `keep_copy` keeps a file of a store."""
    name = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / "somnolens" / name / path.name


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: here a temporary neighbour and a rename, in a store one put."""
    if not is_here(path):
        with explain(path, "written"):
            path.write_bytes(content)
        return
    os.replace(_write_beside(path, content), path)


def create_bytes(path: Path, content: bytes) -> bool:
    """Write a file whole where there is none yet; of several writers at once, one is told True.

    Here by a hard link, which is whole and refuses a name that is taken. In a store by a conditional put, after which
    the file is looked at: a store that does not know the condition keeps the last put, and an answer can be lost.
    """
    if is_here(path):
        return _link(path, content)
    with explain(path, "written"):
        try:
            path.fs.pipe_file(path.path, content, mode="create")
        except OSError:
            if not path.exists():
                raise
        return path.read_bytes() == content


def _link(path: Path, content: bytes) -> bool:
    temporary = _write_beside(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links, as a mounted bucket
        return _write_if_new(path, content)
    finally:
        os.unlink(temporary)
    return True


def _write_if_new(path: Path, content: bytes) -> bool:
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        return False
    return True


def _write_beside(path: Path, content: bytes) -> str:
    """A temporary neighbour that holds the content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    os.chmod(temporary, 0o644)
    return temporary


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
