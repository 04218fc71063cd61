"""Each family against its official image processor, its official processor and its official forward pass."""

import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModelForImageTextToText, BatchFeature

from somnolens.config import ModelSettings, RenderSettings, Settings, TrainSettings
from somnolens.errors import BaseModelError
from somnolens.model.adapters import attach_lora, load_adapter, make_card, prepare_looker, write_adapter
from somnolens.model.base import Looker, load_model
from somnolens.model.families import find_family, list_families
from somnolens.model.family import Family
from somnolens.render.style import Style
from tests.repository.tree import ROOT
from tests.tiny_models import MODELS, build_tokenizer

pytestmark = pytest.mark.slow

KINDS = tuple(MODELS)
SMOL = ("smolvlm", "idefics3")
"""One code under two names: the first with all of its many tiles, which are slow, the second with two of them."""

SHAPES = {
    "qwen3_vl": [(224, 448), (448, 896), (224, 1344)],
    "qwen2_5_vl": [(224, 448), (336, 336), (448, 896)],
    "smolvlm": [(224, 448), (224, 1344)],
    "idefics3": [(224, 448)],
    "internvl": [(224, 448), (448, 448), (448, 896), (224, 1344)],
    "llava_next": [(224, 448), (336, 336), (336, 672), (448, 896), (224, 1344)],
    "llava_onevision": [(224, 448), (384, 384), (384, 768), (224, 1344)],
}
"""Height and width, the default first; among the others, those that need no resize."""

N_IMAGE_TOKENS = {
    "qwen3_vl": 98,
    "qwen2_5_vl": 128,
    "smolvlm": 9 * 64,
    "idefics3": 3 * 64,
    "internvl": 3 * 256,
    "llava_next": 24 * 24 + 24 * (48 + 1),
    "llava_onevision": 27 * 27 + 27 * (54 + 1),
}
"""Of a picture of 448 x 224."""

PROCESSORS = {
    "qwen3_vl": ("qwen3_vl", "Qwen3VLProcessor", {}),
    "qwen2_5_vl": ("qwen2_5_vl", "Qwen2_5_VLProcessor", {}),
    "smolvlm": ("idefics3", "Idefics3Processor", {"image_seq_len": 64}),  # SmolVLM's own wants the package num2words
    "idefics3": ("idefics3", "Idefics3Processor", {"image_seq_len": 64}),
    "internvl": ("internvl", "InternVLProcessor", {"image_seq_length": 256}),
    "llava_next": (
        "llava_next",
        "LlavaNextProcessor",
        {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    ),
    "llava_onevision": (
        "llava_onevision",
        "LlavaOnevisionProcessor",
        {"num_image_tokens": 729, "vision_feature_select_strategy": "full", "vision_aspect_ratio": "anyres_max_9"},
    ),
}
"""Module, class and arguments of processor_config.json."""

DECODER = [
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
]
SIGLIP = [*(f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")), "mlp.fc1", "mlp.fc2"]
LORA = {
    "qwen3_vl": (
        ("model.language_model.layers", 2, DECODER),
        {f"model.visual.{at}.linear_fc{n}" for at in ("merger", "deepstack_merger_list.0") for n in (1, 2)},
        ("model.visual.blocks", 2, ["attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2"]),
    ),
    "qwen2_5_vl": (
        ("model.language_model.layers", 2, DECODER),
        {"model.visual.merger.mlp.0", "model.visual.merger.mlp.2"},
        ("model.visual.blocks", 2, ["attn.qkv", "attn.proj", *DECODER[4:]]),
    ),
    "smolvlm": (
        ("model.text_model.layers", 2, DECODER),
        {"model.connector.modality_projection.proj"},
        ("model.vision_model.encoder.layers", 2, SIGLIP),
    ),
    "internvl": (
        ("model.language_model.layers", 2, DECODER),
        {"model.multi_modal_projector.linear_1", "model.multi_modal_projector.linear_2"},
        (
            "model.vision_tower.encoder.layer",
            2,
            [*(f"attention.{name}" for name in ("q_proj", "k_proj", "v_proj", "projection_layer")), *SIGLIP[4:]],
        ),
    ),
    "llava_next": (
        ("model.language_model.layers", 2, DECODER),
        {"model.multi_modal_projector.linear_1", "model.multi_modal_projector.linear_2"},
        ("model.vision_tower.encoder.layers", 2, SIGLIP),  # the third of its layers is never looked at
    ),
}
LORA["idefics3"] = LORA["smolvlm"]
LORA["llava_onevision"] = LORA["llava_next"]
"""Layers of the language model, modules of the merger, layers of the vision tower."""


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def folder(kind: str, find_folder: Callable[[str], Path]) -> Path:
    return find_folder(kind)


def make_settings(folder: Path, shape_px: tuple[int, int] = (224, 448), **model) -> Settings:
    height, width = shape_px
    return Settings(
        model=ModelSettings(base=str(folder), **model), render=RenderSettings(height_px=height, width_px=width)
    )


def make_style(settings: Settings) -> Style:
    return Style(settings.render, settings.prepare)


def make_looker(settings: Settings) -> Looker:
    return prepare_looker(settings, make_style(settings)).eval()


@pytest.fixture(scope="session")
def settings(folder: Path) -> Settings:
    return make_settings(folder)


@pytest.fixture(scope="session")
def looker(settings: Settings) -> Looker:
    return make_looker(settings)


@cache
def load_family(folder: Path) -> Family:
    model, _, processor = load_model(ModelSettings(base=str(folder)))
    return find_family(model, processor)


def draw_noise(shape_px: tuple[int, int], n: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 106, (n, *shape_px)).astype(np.uint8))


def paint(picture: torch.Tensor, palette: np.ndarray) -> Image.Image:
    return Image.fromarray(palette[picture.numpy()])


@pytest.fixture(scope="session")
def features(looker: Looker) -> torch.Tensor:
    """Of four pictures that differ, as `cache_features` keeps them."""
    with torch.inference_mode():
        seen = looker.see(draw_noise(looker.shape_px))
    return torch.cat([seen, seen.flip(2), seen.flip(3), -seen]).clone()


def build_processor(kind: str, folder: Path):
    """The official processor, without its part for films, which needs torchvision."""
    module, name, more = PROCESSORS[kind]
    official = getattr(import_module(f"transformers.models.{module}.processing_{module}"), name)
    without_films = type(name, (official,), {"check_argument_for_proper_class": lambda *_: None})
    return without_films(
        AutoImageProcessor.from_pretrained(folder), build_tokenizer(kind), chat_template=MODELS[kind]["chat"], **more
    )


@pytest.fixture(scope="session")
def official(kind: str, folder: Path, looker: Looker, settings: Settings) -> BatchFeature:
    """What the official processor makes of the chat that we have with the model."""
    return ask_officially(kind, folder, settings, draw_noise(looker.shape_px))


def ask_officially(kind: str, folder: Path, settings: Settings, pictures: torch.Tensor) -> BatchFeature:
    palette = make_style(settings).palette
    content = [{"type": "image", "image": paint(picture, palette)} for picture in pictures]
    content.append({"type": "text", "text": settings.model.prompt})
    return build_processor(kind, folder).apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt"},
    )


def test_every_family_is_tested():
    assert list_families() == sorted(KINDS)


@pytest.mark.parametrize(("name", "shape_px"), [(kind, shape) for kind in KINDS for shape in SHAPES[kind]])
def test_pixels_equal_those_of_the_official_image_processor(name, find_folder, shape_px):
    folder = find_folder(name)
    palette = make_style(make_settings(folder, shape_px)).palette
    pictures = draw_noise(shape_px)
    more = {"crop_to_patches": True} if name == "internvl" else {}
    official = AutoImageProcessor.from_pretrained(folder)(
        images=[paint(picture, palette) for picture in pictures], return_tensors="pt", **more
    )
    ours = load_family(folder).make_pixels(pictures, torch.from_numpy(palette))
    pixels = ours["pixel_values"].flatten(0, 1) if name == "internvl" else ours["pixel_values"]
    if name.startswith("qwen"):  # its frames are equal, and ours makes one
        pixels = pixels.unflatten(1, (3, 1, -1)).expand(-1, -1, 2, -1).flatten(1)
    torch.testing.assert_close(pixels, official["pixel_values"].float(), rtol=0, atol=2e-6)
    for more in ("image_grid_thw", "image_sizes"):
        assert (more in ours) == (more in official)
        assert more not in ours or torch.equal(ours[more], official[more])


def test_the_prompt_is_that_of_the_official_processor(looker, official):
    assert looker.prompt_ids.tolist() == official["input_ids"][0].tolist()


def test_a_picture_of_448_by_224_costs_these_image_tokens(kind, looker):
    assert looker.family.count_image_tokens(224, 448) == N_IMAGE_TOKENS[kind]


UNTOUCHED = {"internvl": ((448, 448), 256), "llava_next": ((336, 336), 1176), "llava_onevision": ((384, 384), 1485)}
"""Sizes of one tile, and what they cost."""


@pytest.mark.parametrize("name", UNTOUCHED)
def test_a_picture_of_one_tile_is_not_resized(name, find_folder):
    shape_px, n_image_tokens = UNTOUCHED[name]
    looker = make_looker(make_settings(find_folder(name), shape_px))
    assert looker.family.count_image_tokens(*shape_px) == n_image_tokens
    pictures = draw_noise(shape_px)
    mean, std = (torch.tensor(looker.family.processor[f"image_{name}"])[:, None, None] for name in ("mean", "std"))
    first = looker.family.make_pixels(pictures, looker.palette)["pixel_values"].flatten(0, 1)[0]
    coloured = looker.palette[pictures[0].long()].permute(2, 0, 1)
    torch.testing.assert_close((first * std + mean) * 255, coloured.float(), rtol=0, atol=1e-3)


def test_the_readme_tells_the_families_and_what_pictures_cost():
    rows = re.findall(r"^\|[^|]*\| `(\w+)` \| (\d+) \|[^|]*\|([^|]*)\|", (ROOT / "README.md").read_text(), re.MULTILINE)
    told = {kind: int(n_tokens) for kind, n_tokens, _ in rows}
    assert told == N_IMAGE_TOKENS | {"idefics3": N_IMAGE_TOKENS["smolvlm"]}
    untouched = {kind: text.strip() for kind, _, text in rows if "x" in text}
    assert untouched == {kind: f"{width} x {height}: {n}" for kind, ((height, width), n) in UNTOUCHED.items()}


def test_logits_are_those_of_the_official_forward_pass(folder, looker, official):
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        expected = model(**official).logits[:, -1, looker.class_token_ids]
        torch.testing.assert_close(looker(draw_noise(looker.shape_px)), expected, atol=1e-4, rtol=1e-4)


def test_a_family_that_sees_several_pictures_otherwise_says_so(find_folder):
    with pytest.raises(BaseModelError, match="sees several pictures in one prompt otherwise than one alone"):
        make_looker(make_settings(find_folder("llava_onevision"), n_pictures=3))


@pytest.mark.parametrize("name", [kind for kind in KINDS if kind not in ("smolvlm", "llava_onevision")])
def test_logits_of_three_pictures_are_those_of_the_official_forward_pass(name, find_folder):
    folder = find_folder(name)
    settings = make_settings(folder, n_pictures=3)
    looker = make_looker(settings)
    pictures = draw_noise(looker.shape_px, 3)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        official = ask_officially(name, folder, settings, pictures)
        expected = model(**official).logits[:, -1, looker.class_token_ids]
        torch.testing.assert_close(looker(pictures[None]), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(looker(looker.see(pictures)[None]), expected, atol=1e-4, rtol=1e-4)


def test_features_computed_before_give_the_same_logits_as_pictures(looker):
    pictures = draw_noise(looker.shape_px)
    with torch.inference_mode():
        features = looker.see(pictures)
        assert features.shape[2] == looker.family.count_image_tokens(*looker.shape_px)
        torch.testing.assert_close(looker(features), looker(pictures))


def list_adapted(model: torch.nn.Module) -> set[str]:
    names = (name for name, _ in model.base_model.model.named_modules())
    return {match[1] for name in names if (match := re.fullmatch(r"(.*)\.lora_A", name))}


def spell(layers: tuple[str, int, list[str]]) -> set[str]:
    path, n_layers, leaves = layers
    return {f"{path}.{layer}.{leaf}" for layer in range(n_layers) for leaf in leaves}


def test_lora_adapts_exactly_the_modules_named(kind, looker):
    language, merger, vision = LORA[kind]
    expected = {
        "language": spell(language),
        "language+merger": spell(language) | merger,
        "language+merger+vision": spell(language) | merger | spell(vision),
    }
    for targets, modules in expected.items():
        copy = deepcopy(looker)
        attach_lora(copy, TrainSettings(lora_targets=targets))
        assert list_adapted(copy.model) == modules


@pytest.fixture(scope="session")
def adapted(settings: Settings, looker: Looker, features: torch.Tensor) -> tuple[Looker, list[float]]:
    """A looker after a few training steps, and the loss before each."""
    torch.manual_seed(1)
    learning = deepcopy(looker)
    attach_lora(learning, settings.train)
    optimiser = torch.optim.AdamW([p for p in learning.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(4):
        loss = functional.cross_entropy(learning(features), torch.arange(4))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return learning, losses


def test_a_few_training_steps_lower_the_loss(adapted):
    _, losses = adapted
    assert losses[-1] < losses[0] - 0.05


def test_a_saved_adapter_gives_the_logits_it_had_merged_or_not(adapted, settings, features, tmp_path):
    looker, _ = adapted
    card = make_card(settings, make_style(settings), {"cohorts": ["simulated"]})
    write_adapter(tmp_path / "adapter", looker.model, card)
    with torch.inference_mode():
        expected = looker(features)
        torch.testing.assert_close(load_adapter(tmp_path / "adapter", merge=False)[0](features), expected)
        merged, _ = load_adapter(tmp_path / "adapter")
        torch.testing.assert_close(merged(features), expected, atol=1e-3, rtol=1e-3)


def test_every_lora_weight_gets_a_gradient_also_with_checkpointing(kind, folder):
    """Data-parallel training waits for ever for one that does not."""
    looker = make_looker(make_settings(folder, tiles=kind not in SMOL)).train()
    attach_lora(looker, TrainSettings(lora_targets="language+merger+vision", gradient_checkpointing=True))
    looker(draw_noise(looker.shape_px)).sum().backward()
    assert [name for name, p in looker.named_parameters() if p.requires_grad and p.grad is None] == []


def test_bfloat16_and_features_kept_as_float16_give_nearly_the_same_logits(kind, folder, looker, features):
    rough = make_looker(make_settings(folder, dtype="bfloat16"))
    with torch.inference_mode():
        expected = looker(features)
        torch.testing.assert_close(looker(features.half()), expected, atol=0.05, rtol=0.05)
        torch.testing.assert_close(rough(features.bfloat16()), expected, atol=0.5, rtol=0.5)
        quick = make_looker(make_settings(folder, dtype="bfloat16", tiles=False)) if kind in SMOL else rough
        assert quick(draw_noise(quick.shape_px)).isfinite().all()


@pytest.mark.parametrize("name", ["smolvlm", "internvl"])
def test_without_tiles_a_picture_is_one_square(name, find_folder):
    folder = find_folder(name)
    looker = make_looker(make_settings(folder, tiles=False))
    palette, pictures = looker.palette.numpy(), draw_noise(looker.shape_px)
    off = {"do_image_splitting": False} if name == "smolvlm" else {"crop_to_patches": False}
    official = AutoImageProcessor.from_pretrained(folder)(paint(pictures[0], palette), return_tensors="pt", **off)
    ours = looker.family.make_pixels(pictures, looker.palette)["pixel_values"]
    torch.testing.assert_close(ours.flatten(0, 1), official["pixel_values"].float().flatten(0, -4), rtol=0, atol=2e-6)
    n_tokens = {"smolvlm": 64, "internvl": 256}[name]
    assert (looker.prompt_ids == looker.model.config.image_token_id).sum() == n_tokens
    with torch.inference_mode():
        assert looker(pictures).shape == (1, 5)


def test_a_family_that_always_cuts_tiles_says_so(find_folder):
    with pytest.raises(BaseModelError, match=r"always sees a picture in tiles\. Leave the setting out"):
        make_looker(make_settings(find_folder("llava_next"), tiles=False))


@pytest.mark.parametrize(
    ("name", "shape_px", "sentence"),
    [
        (
            "qwen2_5_vl",
            (256, 448),
            "448 x 256 px does not suit this base model. Width and height must be multiples of 28",
        ),
        (
            "qwen3_vl",
            (336, 336),
            "336 x 336 px does not suit this base model. Width and height must be multiples of 32",
        ),
        ("qwen3_vl", (224, 224), "Width times height must be 65,536 to 16,777,216 px: choose another render preset"),
    ],
)
def test_a_picture_size_that_does_not_suit_is_refused_with_what_fits(name, find_folder, shape_px, sentence):
    with pytest.raises(BaseModelError, match=re.escape(sentence)):
        make_looker(make_settings(find_folder(name), shape_px))


def test_an_unknown_family_is_refused_with_those_there_are(find_folder):
    model, _, processor = load_model(ModelSettings(base=str(find_folder("qwen3_vl"))))
    model.config.model_type = "florence2"
    with pytest.raises(
        BaseModelError, match=r"'florence2' are not supported\. There are: idefics3, internvl, llava_next"
    ):
        find_family(model, processor)
