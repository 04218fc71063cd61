"""Adapter folders: a plain PEFT folder, and a card that says what made it.

`peft.PeftModel.from_pretrained` loads the folder as it is. `somnolens.json` beside the weights
holds the settings, the render hash, the base model, the figures reached and the stage transitions.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from somnolens.config import Settings, TrainSettings, resolve_settings
from somnolens.errors import AdapterError
from somnolens.model.base import Looker, build_looker, choose_device, identify_base, load_model
from somnolens.model.card import CARD_FILE, describe_card
from somnolens.model.narrowing import add_low_rank_quickly
from somnolens.model.registry import fetch_adapter, split_address
from somnolens.provenance import describe_code
from somnolens.render.style import Style


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


def attach_lora(looker: Looker, settings: TrainSettings) -> None:
    """Freeze the model of a looker and give it new LoRA weights, in place.

    Targets are full module paths: a leaf name such as `q_proj` would also adapt the vision tower.
    """
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=looker.family.lora_targets(settings.lora_targets),
    )
    with _without_peft_warning():
        looker.model = get_peft_model(looker.model, config)
    add_low_rank_quickly(looker.model)
    if settings.gradient_checkpointing:
        _checkpoint_layers(looker.model)


def _checkpoint_layers(model: PeftModel) -> None:
    """transformers has given the method a new name and warns of the old one."""
    name = "activation_checkpointing_enable"
    enable = getattr(model, name) if hasattr(model, name) else model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def compile_layers(looker: Looker) -> None:
    """Have torch compile the layers of the decoder, in place, when they are first called; names and weights stay.

    They are equal but for their weights, so that one compilation serves all; shapes are taken as they are.
    """
    for layer in looker.family.model.get_submodule(looker.family.language_path).layers:
        layer.compile(dynamic=False)


@contextmanager
def _without_peft_warning() -> Iterator[None]:
    """peft asks transformers for a name it has given up: nothing a person could mend."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def prepare_looker(settings: Settings, style: Style) -> Looker:
    """Load the base model and bind it to the prompt and the style, without an adapter yet."""
    model, tokenizer, processor = load_model(settings.model)
    return build_looker(model, tokenizer, processor, settings.model, style.shape_px, style.palette)


def make_card(settings: Settings, style: Style, dataset: dict[str, Any], **more: Any) -> AdapterCard:
    """The card of an adapter trained with these settings on pictures of this style."""
    drawn = settings.model_copy(update={"render": style.render, "prepare": style.prepare})
    return AdapterCard(
        settings=drawn.model_dump(mode="json"),
        derivations=list(style.derivations),
        render_hash=style.hash,
        base_model=identify_base(settings.model),
        dataset=dataset,
        **more,
    )


def write_adapter(folder: Path, model: PeftModel, card: AdapterCard) -> None:
    """Write the PEFT folder, the card and a model card in words."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder))
    write_card(folder, card)


def write_card(folder: Path, card: AdapterCard) -> None:
    """Write or replace the card of an adapter folder, and its README."""
    (folder / CARD_FILE).write_text(json.dumps(asdict(card), indent=2) + "\n")
    (folder / "README.md").write_text(describe_card(asdict(card)))


def copy_adapter(source: Path, target: Path) -> None:
    """Copy an adapter folder whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".tmp-"))
    shutil.copytree(source, temporary, dirs_exist_ok=True)
    temporary.chmod(0o755)
    temporary.rename(target)


def locate_adapter(adapter: str | Path) -> Path:
    """Folder of an adapter on this machine, for whatever a person may write in its place.

    Parameters
    ----------
    adapter : str or Path
        A folder; 'embedded', the one in the package; `REGISTRY#NAME` or `REGISTRY#promoted`, where the registry is a
        folder or a URL.

    Raises
    ------
    RegistryError
        Where the registry has no such adapter, or it was changed after it was added.
    """
    if str(adapter) == "embedded":
        return Path(str(files("somnolens.model") / "embedded_adapter"))
    address = split_address(str(adapter))
    return fetch_adapter(*address) if address else Path(adapter)


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


def load_adapter(adapter: str | Path, merge: bool = True) -> tuple[Looker, AdapterCard]:
    """Load base model and adapter for scoring; `merge` folds the LoRA weights into the base.

    Raises
    ------
    AdapterError
        Where the base model is not the one the adapter was trained on, or the pictures of this
        version of somnolens are drawn otherwise.
    """
    folder = locate_adapter(adapter)  # once: what is promoted may change meanwhile
    card = read_card(folder)
    settings = card.resolved
    check_render_hash(card, card.style.hash, "This version of somnolens draws pictures whose style")
    base = identify_base(settings.model)
    if base["fingerprint"] != card.base_model["fingerprint"]:
        raise AdapterError(
            f"The adapter {adapter} was trained on base model {card.base_model['name']!r} with weights "
            f"{card.base_model['fingerprint']}, but those at hand are {base['fingerprint']}. Train it again."
        )
    looker = prepare_looker(settings, card.style)
    with _without_peft_warning():
        looker.model = PeftModel.from_pretrained(looker.model, str(folder))
    if merge and settings.model.quantise == "none":  # weights of four bits would be rounded a second time
        looker.model = looker.model.merge_and_unload()
    return looker.to(choose_device()).eval().requires_grad_(False), card


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    """Parameters in all, and those that are trained."""
    parameters = list(model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return {"all": sum(p.numel() for p in parameters), "trained": trained}
