"""A base model made ready to look at pictures and name a stage in one forward pass."""

import importlib.util
import re
from importlib.resources import files
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.image_processing_base import ImageProcessingMixin
from transformers.processing_utils import ProcessorMixin
from transformers.utils import logging as transformers_logging

from somnolens.config import ModelSettings
from somnolens.errors import BaseModelError, SettingsError
from somnolens.model.families import find_family, find_language_path
from somnolens.model.family import Family
from somnolens.model.narrowing import answer_last_position_only, bend_quickly
from somnolens.model.prompt import encode_prompt, find_class_tokens
from somnolens.provenance import fingerprint_files


def locate_base(base: str) -> str:
    """Folder of the embedded model for 'embedded', else the name or folder as given."""
    return str(files("somnolens.model") / "embedded") if base == "embedded" else base


def choose_dtype(dtype: str) -> torch.dtype:
    """`auto` is bfloat16 on a GPU that computes in it, float32 elsewhere."""
    if dtype == "auto":
        return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    return getattr(torch, dtype)


def choose_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_model(settings: ModelSettings) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, Any]]:
    """Load a vision-language model of transformers with its tokenizer and the settings of its image processor.

    Raises
    ------
    BaseModelError
        Where the name or folder holds no image-text-to-text model.
    SettingsError
        Where `settings.quantise` asks for what is not installed.
    """
    place = locate_base(settings.base)
    transformers_logging.disable_progress_bar()
    try:
        more = {} if settings.quantise == "none" else {"quantization_config": choose_quantisation(settings)}
        model = AutoModelForImageTextToText.from_pretrained(
            place, revision=settings.revision, dtype=choose_dtype(settings.dtype), **more
        )
        tokenizer = load_tokenizer(settings)
        image_processor, _ = ImageProcessingMixin.get_image_processor_dict(place, revision=settings.revision)
    except (OSError, ValueError) as error:
        raise BaseModelError(
            f"The base model {settings.base!r} cannot be loaded: {str(error).splitlines()[0]} "
            "Name 'embedded', a model of the hub, or a folder with config.json and safetensors."
        ) from None
    model.name_or_path = model.config._name_or_path = settings.base  # what peft writes down: no path of this machine
    return model, tokenizer, image_processor


def choose_quantisation(settings: ModelSettings) -> BitsAndBytesConfig:
    """Four bits for the linear modules of the decoder's layers, as QLoRA has them; all else stays as it is.

    NF4, with its scales quantised once more (T. Dettmers et al., "QLoRA: efficient finetuning of quantized LLMs",
    NeurIPS 2023). Vision tower, embeddings and head are small beside the decoder, and pictures are all it goes by.

    Raises
    ------
    SettingsError
        Where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise SettingsError(
            f"model.quantise = {settings.quantise} needs bitsandbytes, which is not installed. "
            "Install somnolens[qlora], or leave the setting out."
        )
    config = AutoConfig.from_pretrained(locate_base(settings.base), revision=settings.revision)
    layers = re.escape(find_language_path(config.model_type)) + r"\.layers\."
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=choose_dtype(settings.dtype),
        llm_int8_skip_modules=[rf"(?!{layers}).*"],
    )


def load_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """Tokenizer of a base model, with the processor's chat template where it has one: its own may know no pictures."""
    place = locate_base(settings.base)
    tokenizer = AutoTokenizer.from_pretrained(place, revision=settings.revision)
    processor, _ = ProcessorMixin.get_processor_dict(place, revision=settings.revision)
    tokenizer.chat_template = processor.get("chat_template") or tokenizer.chat_template
    return tokenizer


def identify_base(settings: ModelSettings) -> dict[str, str | None]:
    """Name, revision and, for a local folder, a fingerprint of the weights."""
    folder = Path(locate_base(settings.base))
    weights = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    config = AutoConfig.from_pretrained(str(folder) if folder.is_dir() else settings.base, revision=settings.revision)
    return {
        "name": settings.base,
        "revision": settings.revision or getattr(config, "_commit_hash", None),
        "fingerprint": fingerprint_files(weights) if weights else None,
        "model_type": config.model_type,
    }


class Looker(nn.Module):
    """A vision-language model, the prompt, and the five class tokens.

    Assumes pictures of one size and one palette, so that everything but the pixels is computed once.

    Parameters
    ----------
    model : PreTrainedModel or PeftModel
    family : Family
        Of the model underneath.
    prompt_ids : Tensor of int, shape (n_tokens,)
    class_token_ids : Tensor of int, shape (5,)
    palette : Tensor of uint8, shape (256, 3)
    shape_px : tuple of int
        Height and width of a picture.
    n_pictures : int
        Pictures in the prompt.
    """

    def __init__(
        self,
        model: nn.Module,
        family: Family,
        prompt_ids: torch.Tensor,
        class_token_ids: torch.Tensor,
        palette: torch.Tensor,
        shape_px: tuple[int, int],
        n_pictures: int = 1,
    ) -> None:
        super().__init__()
        self.model, self.family, self.shape_px, self.n_pictures = model, family, shape_px, n_pictures
        self.register_buffer("prompt_ids", prompt_ids, persistent=False)
        self.register_buffer("class_token_ids", class_token_ids, persistent=False)
        self.register_buffer("palette", palette, persistent=False)

    def see(self, pictures: torch.Tensor) -> torch.Tensor:
        """Vision features, shape (..., n_levels, n_image_tokens, n_hidden), of uint8 (..., height_px, width_px)."""
        seen = self.family.see(self.family.make_pixels(pictures.flatten(0, -3), self.palette))
        return seen.unflatten(0, pictures.shape[:-2])

    def name(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of the five stages, float32, shape (n, 5), from vision features.

        Of several pictures in the prompt, features have the shape (n, n_pictures, n_levels, n_image_tokens, n_hidden).
        """
        input_ids = self.prompt_ids.expand(len(features), -1)
        fixed = self.family.fix_positions(input_ids, self.shape_px)
        shown = self.family.show(features if self.n_pictures == 1 else features.flatten(0, 1))
        logits = self.model(input_ids=input_ids, logits_to_keep=1, use_cache=False, **shown, **fixed).logits
        return logits[:, -1, self.class_token_ids].float()

    def read(self, pictures_or_features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the five stages, and the hidden state they were told from, float32, shape (n, n_hidden)."""
        heard: list[torch.Tensor] = []
        me = get_ident()  # other threads may ask the same head meanwhile

        def hear(module: nn.Module, given: tuple[torch.Tensor]) -> None:
            if get_ident() == me:
                heard.append(given[0][:, -1])

        hook = self.model.get_output_embeddings().register_forward_pre_hook(hear)
        try:
            return self(pictures_or_features), heard[0].float()
        finally:
            hook.remove()

    @property
    def n_hidden(self) -> int:
        """Width of the hidden state that the answer is told from."""
        return self.model.get_output_embeddings().weight.shape[1]

    def forward(self, pictures_or_features: torch.Tensor) -> torch.Tensor:
        """Logits of the five stages, from uint8 pictures or from features cached by `see`."""
        is_picture = pictures_or_features.dtype == torch.uint8
        return self.name(self.see(pictures_or_features) if is_picture else pictures_or_features)


def build_looker(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    processor: dict[str, Any],
    settings: ModelSettings,
    shape_px: tuple[int, int],
    palette: np.ndarray,
) -> Looker:
    """Bind a model, in place, to one prompt, one picture size, one palette, and one position that answers."""
    family = find_family(model, processor, settings.tiles)
    if settings.n_pictures > 1 and not family.shows_several:
        raise BaseModelError(
            f"{settings.base} sees several pictures in one prompt otherwise than one alone, in fewer pixels. "
            "Leave model.n_pictures at 1, draw neighbours into the picture (render.preset=three-1344), or name another."
        )
    answer_last_position_only(model.get_submodule(family.language_path).layers[-1])
    bend_quickly(model)
    ids = encode_prompt(
        tokenizer,
        settings.prompt,
        family.name_image_token(tokenizer),
        family.write_picture(tokenizer, *shape_px),
        settings.n_pictures,
    )
    n_image_tokens = settings.n_pictures * family.count_image_tokens(*shape_px)
    assert ids.count(model.config.image_token_id) == n_image_tokens, (ids, n_image_tokens)
    return Looker(
        model=model,
        family=family,
        prompt_ids=torch.tensor(ids),
        class_token_ids=torch.tensor(find_class_tokens(tokenizer)),
        palette=torch.from_numpy(palette),
        shape_px=shape_px,
        n_pictures=settings.n_pictures,
    )
