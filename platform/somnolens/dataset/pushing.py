"""A finished dataset to where others can read it: a folder, an object store, the Hugging Face hub."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

from somnolens.dataset.contact_sheets import SHEETS_FOLDER
from somnolens.dataset.manifest import FAILURES_FILE, MANIFEST_FILE, NIGHTS_FILE, Dataset
from somnolens.dataset.overview import CARD_FILE
from somnolens.dataset.rows import name_shard
from somnolens.dataset.statistics import QUALITY_FILE, STATISTICS_FILE
from somnolens.errors import PushError
from somnolens.storage import write_bytes

HUB = "hf://"

WRITERS = 8
"""Files copied side by side: a remote store takes its time with each."""

_PIECE_BYTES = 2**23

_TABLES = (NIGHTS_FILE, FAILURES_FILE, STATISTICS_FILE, QUALITY_FILE, CARD_FILE, MANIFEST_FILE)
_DRAWN = ("shards/*.parquet", f"{SHEETS_FOLDER}/*.png")
"""A star of the hub's patterns stands for folders too. Logs, reports and temporary files have other names."""

_LEFT_OVER = re.compile(rf"^{SHEETS_FOLDER}/|(^|/)\.tmp-")
"""What an older or interrupted copy may leave."""

_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Target:
    """Where a dataset goes.

    Parameters
    ----------
    name : str
        `owner/name` of a hub repository, or a folder or URL that fsspec opens.
    is_hub : bool
    """

    name: str
    is_hub: bool


def parse_target(text: str) -> Target:
    """Tell a hub repository from a folder.

    `owner/name` is the hub; a folder of that form is written `./owner/name`.

    Raises
    ------
    PushError
        Where it is no target, or could be both.

    Examples
    --------
    >>> parse_target("lab/shhs"), parse_target("hf://datasets/lab/shhs").name, parse_target("s3://bucket/shhs").is_hub
    (Target(name='lab/shhs', is_hub=True), 'lab/shhs', False)
    """
    name = text.removeprefix(f"{HUB}datasets/")
    if text.startswith(HUB) and (name == text or not _HUB_NAME.fullmatch(name)):
        raise PushError(f"{text!r} names no dataset repository. Write hf://datasets/OWNER/NAME.")
    if name != text or not _HUB_NAME.fullmatch(text):
        return Target(name, is_hub=name != text)
    if Path(text).parent.is_dir():
        raise PushError(
            f"{text!r} could be a repository of the hub, and there is a folder {Path(text).parent} here. "
            f"Write hf://datasets/{text} or ./{text}."
        )
    return Target(text, is_hub=True)


def check_target(text: str, folder: Path, api: HfApi | None = None) -> None:
    """Refuse, before a dataset is built, what could only fail after it.

    Raises
    ------
    PushError
        Where the target is none, is the dataset itself, or the hub does not know who asks.
    """
    target = parse_target(text)
    if target.is_hub and not isinstance(folder, Path):
        raise PushError(f"{folder} is not on this machine, and the hub's client takes files from here. Copy it first.")
    if target.is_hub:
        with _explain_hub(target.name):
            (api or HfApi()).whoami()
        return
    files, root = _open_store(target.name)
    if isinstance(files, LocalFileSystem) and Path(root).resolve().is_relative_to(folder.resolve()):
        raise PushError(f"{root} is the dataset folder itself, or in it. Name another place to push to.")


def push_dataset(
    dataset: Dataset, text: str, api: HfApi | None = None, report: Callable[[str], None] = lambda _: None
) -> str:
    """Put the files of a finished dataset where `text` says.

    Logs, reports of single nights and temporary files stay behind. A hub repository is made private where there is
    none. A folder gets `dataset.json` last, so that a copy which was stopped is no dataset.

    Parameters
    ----------
    dataset : Dataset
    text : str
        See `parse_target`.
    api : HfApi, optional
        The hub's client; without, that of the environment's token.
    report : callable
        Called with the name of each file that was copied to a folder.

    Returns
    -------
    str
        Where it is.

    Raises
    ------
    PushError
    """
    check_target(text, dataset.folder, api)
    target = parse_target(text)
    if target.is_hub:
        return _upload(dataset, target.name, api or HfApi())
    return _copy(dataset, target.name, report)


def list_pushed(dataset: Dataset) -> list[str]:
    """Files of a dataset relative to its folder: shards first, `dataset.json` last."""
    shards = [name_shard(row["split"], row["night"]) for row in dataset.manifest["nights"]]
    sheets = sorted(f"{SHEETS_FOLDER}/{path.name}" for path in (dataset.folder / SHEETS_FOLDER).glob("*.png"))
    return shards + sheets + [name for name in _TABLES if (dataset.folder / name).is_file()]


def _upload(dataset: Dataset, name: str, api: HfApi) -> str:
    """One call for all files: the client cuts large folders into commits, and goes on where it was stopped."""
    n_epochs = sum(sum(counts.values()) for counts in dataset.manifest["epochs"].values())
    with _explain_hub(name):
        url = api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=dataset.folder,
            allow_patterns=[*_TABLES, *_DRAWN],
            delete_patterns=list(_DRAWN),  # of an earlier push; what is still there is kept
            commit_message=f"{n_epochs} epochs, fingerprint {dataset.manifest['fingerprint']}",
        )
    return str(url)


@contextmanager
def _explain_hub(name: str) -> Iterator[None]:
    try:
        yield
    except LocalTokenNotFoundError:
        raise PushError(
            f"Nobody is logged in to the hub, so {name} cannot be pushed. Run `hf auth login`, or set HF_TOKEN."
        ) from None
    except OfflineModeIsEnabled:
        raise PushError(
            f"The hub's client is offline (HF_HUB_OFFLINE is set), so {name} cannot be pushed. Unset it."
        ) from None
    except HfHubHTTPError as error:
        raise PushError(_explain_answer(name, error.response.status_code)) from None
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise PushError(
            f"The hub was not reached while {name} was pushed ({type(error).__name__}). Look at the network, and "
            "start again: what has arrived is kept."
        ) from None


def _explain_answer(name: str, status: int) -> str:
    if status == 401:
        return (
            f"The hub does not know the token that {name} was to be pushed with. Run `hf auth login`, or set HF_TOKEN."
        )
    if status in (403, 404):
        return (
            f"The token of this machine may not write to {name}. Use one with the permission to write, or name a "
            "repository of your own."
        )
    return f"The hub answered {status} while {name} was pushed. Start again: what has arrived is kept."


def _open_store(name: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        return fsspec.core.url_to_fs(os.path.expanduser(name))
    except ImportError as error:
        raise PushError(f"{name} needs another package: {error}.") from None
    except ValueError as error:
        raise PushError(f"{name} cannot be opened: {error}. Write a folder, file://, s3:// or owner/name.") from None


def _copy(dataset: Dataset, name: str, report: Callable[[str], None]) -> str:
    files, root = _open_store(name)
    names = list_pushed(dataset)

    def copy(name: str) -> None:
        source, there = dataset.folder / name, f"{root}/{name}"
        if isinstance(files, LocalFileSystem):
            write_bytes(Path(there), source.read_bytes())
        else:
            with source.open("rb") as stream, files.open(there, "wb") as sink:
                shutil.copyfileobj(stream, sink, _PIECE_BYTES)
        report(name)

    try:
        _check_free(files, root, names)
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(copy, names[:-1]))
        copy(names[-1])
    except OSError as error:
        raise PushError(
            f"{name} cannot be written ({type(error).__name__}: {error}). Look at its permissions and free space, or "
            "name another place."
        ) from None
    return root if isinstance(files, LocalFileSystem) else name


def _check_free(files: fsspec.AbstractFileSystem, root: str, names: list[str]) -> None:
    """An older copy of the same dataset may be there, and is none from now until the end; nothing else may."""
    if not files.exists(root):
        return
    there = {path.removeprefix(root).strip("/") for path in files.find(root)} - {""}
    foreign = sorted(path for path in there - set(names) if not _LEFT_OVER.search(path))
    if foreign or (there and not any(path.startswith("shards/") for path in there)):
        raise PushError(
            f"{root} holds files of something else ({(foreign or sorted(there))[0]}), which would be mixed with the "
            "dataset. Name a new or empty folder."
        )
    if MANIFEST_FILE in there:
        files.rm_file(f"{root}/{MANIFEST_FILE}")
