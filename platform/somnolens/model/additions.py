"""Adding adapters to a registry, each under a name that is never given again."""

from datetime import UTC, datetime
from pathlib import Path

from somnolens.errors import RegistryError
from somnolens.model.card import CARD_FILE
from somnolens.model.registry import (
    NAME,
    PROMOTED,
    Record,
    dump,
    hash_content,
    read_written,
    tell_time,
)
from somnolens.provenance import describe_code, fingerprint
from somnolens.storage import create_bytes, explain, list_names, parse_path, write_bytes

NEEDED = ("adapter_config.json", "adapter_model.safetensors", CARD_FILE)


def add_adapter(place: str | Path, adapter: Path, name: str | None = None) -> Record:
    """Copy an adapter folder into a registry, under a name that is never given again.

    The record is written first and claims the name; an interrupted copy is gone on with by the same call.

    Parameters
    ----------
    place : str or Path
        Folder or URL; made where there is none.
    adapter : Path
        Folder of this machine.
    name : str, optional
        Else the time the adapter was finished and its fingerprint.

    Raises
    ------
    RegistryError
        Where the name is taken or cannot be one, or the folder is no adapter.
    """
    contents = _read_folder(adapter)
    files = {file: hash_content(content) for file, content in contents.items()}
    name = _check_name(name or _name_after(adapter, fingerprint(files)))
    record = Record(name, tell_time(), fingerprint(files), files, describe_code())
    folder = parse_path(place)
    _refuse_foreign(folder, record)
    if not create_bytes(folder / "added" / f"{name}.json", dump(record)):
        record = _go_on(folder, record)
    for file, content in contents.items():
        write_bytes(folder / "adapters" / name / file, content)
    return record


def _go_on(folder: Path, record: Record) -> Record:
    """The record of an interrupted copy of the same adapter; any other name is taken."""
    before = read_written(folder / "added" / f"{record.name}.json", Record)
    if before.files != record.files:
        raise RegistryError(
            f"The name {record.name!r} is taken in {folder}: the adapter added {before.added} has fingerprint "
            f"{before.fingerprint}, this one {record.fingerprint}. Name another with --name."
        )
    if set(record.files) <= set(list_names(folder / "adapters" / record.name)):
        raise RegistryError(f"{folder}#{record.name} is this very adapter, added {before.added}. Nothing was written.")
    return before


def _refuse_foreign(folder: Path, record: Record) -> None:
    """Files that somebody put where the adapter shall go are not overwritten, unless they are the same."""
    if f"{record.name}.json" in list_names(folder / "added"):
        return
    there = folder / "adapters" / record.name
    foreign = [name for name in list_names(there) if not name.startswith(".") and not _is_same(there / name, record)]
    if foreign:
        raise RegistryError(
            f"The name {record.name!r} is taken in {folder}: adapters/{record.name} was put there by hand and its "
            f"{', '.join(foreign)} is another. Name another with --name."
        )


def _is_same(path: Path, record: Record) -> bool:
    with explain(path, "read"):
        return record.files.get(path.name) == hash_content(path.read_bytes())


def _read_folder(adapter: Path) -> dict[str, bytes]:
    names = [name for name in list_names(adapter) if "/" not in name and not name.startswith(".")]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise RegistryError(
            f"{adapter} is not an adapter of somnolens: it has no {' and no '.join(missing)}. "
            "Name a folder written by jobs/train_adapter.py or jobs/search_hyperparameters.py."
        )
    return {name: (adapter / name).read_bytes() for name in names}


def _name_after(adapter: Path, print_of_files: str) -> str:
    """When its card was finished, which is the end of its run, and its fingerprint."""
    finished = datetime.fromtimestamp((adapter / CARD_FILE).stat().st_mtime, UTC)
    return f"{finished:%Y%m%d-%H%M%S}-{print_of_files}"


def _check_name(name: str) -> str:
    if name in (PROMOTED, "embedded") or not NAME.fullmatch(name):
        raise RegistryError(
            f"An adapter cannot be called {name!r}. Take letters, digits, '.', '_' and '-', a letter or digit first, "
            f"at most 100; {PROMOTED!r} and 'embedded' mean something else."
        )
    return name
