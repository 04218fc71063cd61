"""A base model without its weights: enough to count parameters, tokens, work and memory."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel
from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils import logging as transformers_logging

from somnolens.config import ModelSettings
from somnolens.errors import BaseModelError
from somnolens.model.base import load_tokenizer, locate_base
from somnolens.model.families import find_family
from somnolens.model.family import Family
from somnolens.model.prompt import encode_prompt

ASSUMED_TEXT_TOKENS = 40
"""Of the chat template and the question, where no tokenizer is at hand."""


@dataclass(frozen=True)
class Blueprint:
    """A model on torch's meta device, where parameters have a shape and no values.

    Parameters
    ----------
    model : PreTrainedModel
    family : Family
    n_text_tokens : int
        Tokens of a prompt that are no image tokens.
    sources : list of str
        Where configuration and tokens are from, as sentences.
    """

    model: PreTrainedModel
    family: Family
    n_text_tokens: int
    sources: list[str]


def list_published() -> dict[str, dict[str, Any]]:
    """Hub name to the configuration and the image processor settings published with it.

    Examples
    --------
    >>> list_published()["Qwen/Qwen3-VL-2B-Instruct"]["config"]["model_type"]
    'qwen3_vl'
    """
    return json.loads((files("somnolens.model") / "published.json").read_text())


def draw_blueprint(settings: ModelSettings, shape_px: tuple[int, int]) -> Blueprint:
    """Build a base model without weights, from its folder, from the table we ship, or from the hub.

    Raises
    ------
    BaseModelError
        Where its configuration is nowhere at hand, or its family is not supported.
    """
    config, processor, source = _find_config(settings)
    with torch.device("meta"):
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()  # of token ids that a model without a tokenizer need not have
        model = AutoModelForImageTextToText.from_config(config)
        transformers_logging.set_verbosity(level)
    family = find_family(model, processor, settings.tiles)
    n_text_tokens, counted = _count_text_tokens(settings, family, shape_px)
    return Blueprint(model, family, n_text_tokens, [source, counted])


def _find_config(settings: ModelSettings) -> tuple[Any, dict[str, Any], str]:
    published = list_published().get(settings.base)
    if published:
        kind = published["config"]["model_type"]
        config = AutoConfig.for_model(**published["config"] | {"model_type": kind})
        return config, published["processor"], "Configuration: the published one, as somnolens ships it."
    place = locate_base(settings.base)
    try:
        config = AutoConfig.from_pretrained(place, revision=settings.revision)
        processor, _ = ImageProcessingMixin.get_image_processor_dict(place, revision=settings.revision)
    except (OSError, ValueError) as error:
        raise BaseModelError(
            f"The configuration of {settings.base!r} is not at hand: {str(error).splitlines()[0]} "
            f"Name a folder, a model of a hub that can be reached, or one of {', '.join(list_published())}."
        ) from None
    return config, processor, f"Configuration: that of {settings.base}."


def _count_text_tokens(settings: ModelSettings, family: Family, shape_px: tuple[int, int]) -> tuple[int, str]:
    if not Path(locate_base(settings.base)).is_dir():
        return ASSUMED_TEXT_TOKENS, f"Text of a prompt: {ASSUMED_TEXT_TOKENS} tokens, assumed."
    tokenizer = load_tokenizer(settings)
    image_token = family.name_image_token(tokenizer)
    picture = family.write_picture(tokenizer, *shape_px)
    ids = encode_prompt(tokenizer, settings.prompt, image_token, picture, settings.n_pictures)
    n_text_tokens = len(ids) - settings.n_pictures * family.count_image_tokens(*shape_px)
    return n_text_tokens, f"Text of a prompt: {n_text_tokens} tokens, counted."
