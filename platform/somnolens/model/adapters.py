"""Adapter folders: a plain PEFT folder, and a card that says what made it.

`peft.PeftModel.from_pretrained` loads the folder as it is.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from somnolens.config import Settings, TrainSettings
from somnolens.errors import AdapterError
from somnolens.model.adapter_card import AdapterCard, check_render_hash, locate_adapter, read_card, write_card
from somnolens.model.base import Looker, build_looker, choose_device, identify_base, load_model
from somnolens.model.narrowing import add_low_rank_quickly
from somnolens.render.style import Style


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
    model.save_pretrained(str(folder), save_embedding_layers=False)  # no LoRA is on them; "auto" asks the hub
    write_card(folder, card)


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
