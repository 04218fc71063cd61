"""The card of an adapter folder: what made it, and how to draw for it. Read without any library for models.

`somnolens.json` beside the weights holds the settings, the render hash, the base model, the figures reached and
the stage transitions.
"""

import atexit
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from somnolens.config import Settings, resolve_settings
from somnolens.errors import AdapterError
from somnolens.model.card import CARD_FILE, describe_card
from somnolens.model.registry import fetch_adapter, split_address
from somnolens.provenance import describe_code
from somnolens.render.style import Style
from somnolens.storage import fetch_folder, list_names, parse_path


@dataclass(frozen=True)
class AdapterCard:
    """What an adapter is, was trained on, and is good for.

    Parameters
    ----------
    settings : dict
        The resolved settings of the run, as `Settings.model_dump`.
    derivations : list of str
    render_hash : str
        Pictures of any other hash are refused.
    base_model : dict
        As `identify_base` gives it.
    dataset : dict
        Cohorts, fingerprint, subjects and rows per split.
    metrics : dict
        Figures on the validation split, and on the test split once evaluated.
    sequence : dict
        Transition matrix and weight of the night-level step; empty where there is none.
    calibration : dict
        Temperatures of its probabilities and what they were fitted on; empty where there are none.
    probe : dict
        Its answers to known pictures, as `score.probe` records them; empty in older adapters.
    profile : dict
        What it says of its validation nights, as `score.profile` describes it; empty in older adapters.
    code : dict
        Version and revision.
    """

    settings: dict[str, Any]
    derivations: list[str]
    render_hash: str
    base_model: dict[str, Any]
    dataset: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    sequence: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=describe_code)

    @property
    def resolved(self) -> Settings:
        """The settings, checked: a card may come from another version."""
        return resolve_settings(self.settings, "the adapter's card")

    @property
    def style(self) -> Style:
        settings = self.resolved
        return Style(settings.render, settings.prepare, tuple(self.derivations))

    @property
    def trained_on_simulation_only(self) -> bool:
        return self.dataset.get("cohorts") == ["simulated"]


def locate_adapter(adapter: str | Path) -> Path:
    """Folder of an adapter on this machine, for whatever a person may write in its place.

    Parameters
    ----------
    adapter : str or Path
        A folder, or its URL; 'embedded', the one in the package; `REGISTRY#NAME` or `REGISTRY#promoted`, where the
        registry is a folder or a URL.

    Raises
    ------
    AdapterError
        Where there is no adapter at a URL.
    RegistryError
        Where the registry has no such adapter, or it was changed after it was added.
    """
    if str(adapter) == "embedded":
        return Path(str(files("somnolens.model") / "embedded_adapter"))
    address = split_address(str(adapter))
    if address:
        return fetch_adapter(*address)
    return _bring_here(str(adapter)) if "://" in str(adapter) else Path(adapter)


@cache
def _bring_here(url: str) -> Path:
    """A copy for as long as this process runs."""
    place = parse_path(url)
    if CARD_FILE not in list_names(place):
        raise AdapterError(
            f"There is no adapter at {url}: it has no {CARD_FILE}. Name the folder `adapter` of a run of "
            "jobs/train_adapter.py or jobs/search_hyperparameters.py."
        )
    folder = Path(tempfile.mkdtemp(prefix="somnolens-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return fetch_folder(place, folder)


def read_card(adapter: str | Path) -> AdapterCard:
    """Read the card of an adapter folder.

    Raises
    ------
    AdapterError
        Where the folder is missing, foreign, or incomplete.
    """
    folder = locate_adapter(adapter)
    if not folder.is_dir():
        raise AdapterError(
            f"There is no adapter folder {folder}. Train one with jobs/train_adapter.py, or name another."
        )
    missing = [name for name in ("adapter_config.json", CARD_FILE) if not (folder / name).is_file()]
    if missing:
        raise AdapterError(
            f"{folder} is not an adapter of somnolens: it has no {' and no '.join(missing)}. "
            "Name a folder written by jobs/train_adapter.py or jobs/search_hyperparameters.py."
        )
    try:
        return AdapterCard(**json.loads((folder / CARD_FILE).read_text()))
    except (TypeError, ValueError) as error:
        raise AdapterError(f"{folder / CARD_FILE} cannot be understood: {error}. Train the adapter again.") from None


def write_card(folder: Path, card: AdapterCard) -> None:
    """Write or replace the card of an adapter folder, and its README."""
    (folder / CARD_FILE).write_text(json.dumps(asdict(card), indent=2) + "\n")
    (folder / "README.md").write_text(describe_card(asdict(card)))


def check_render_hash(card: AdapterCard, render_hash: str, what: str) -> None:
    """Refuse pictures that are drawn otherwise than those the adapter learnt from.

    Raises
    ------
    AdapterError
    """
    if card.render_hash != render_hash:
        raise AdapterError(
            f"{what} was drawn with render hash {render_hash}, the adapter learnt from {card.render_hash}. "
            "Draw again with the settings of the adapter, or choose the adapter of these pictures."
        )


def copy_adapter(source: Path, target: Path) -> None:
    """Copy an adapter folder whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".tmp-"))
    shutil.copytree(source, temporary, dirs_exist_ok=True)
    temporary.chmod(0o755)
    temporary.rename(target)
