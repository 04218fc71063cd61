"""QLoRA: a decoder of four bits, with LoRA weights that learn as ever."""

import importlib.util

import numpy as np
import pytest
import torch

from somnolens.config import ModelSettings, Settings, read_settings
from somnolens.errors import SettingsError
from somnolens.model.adapters import attach_lora, load_adapter, make_card, prepare_looker, write_adapter
from somnolens.model.base import Looker, load_model
from somnolens.render.style import Style
from tests.tiny_models import write_tiny_model

HAS_BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is not None
needs_bitsandbytes = pytest.mark.skipif(not HAS_BITSANDBYTES, reason="somnolens[qlora] is not installed")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return str(write_tiny_model("qwen3_vl", tmp_path_factory.mktemp("quantised")))


@pytest.fixture(scope="module")
def settings(base) -> Settings:
    return Settings(model=ModelSettings(base=base, quantise="4bit"))


@pytest.fixture
def style(settings) -> Style:
    return Style(settings.render, settings.prepare)


@pytest.fixture
def pictures(style) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 30, (6, *style.shape_px)).astype(np.uint8))


def find_four_bits(looker: Looker) -> set[str]:
    return {
        n.removesuffix(".base_layer")
        for n, m in looker.family.model.named_modules()
        if type(m).__name__ == "Linear4bit"
    }


@pytest.mark.skipif(HAS_BITSANDBYTES, reason="it is installed here")
def test_without_bitsandbytes_the_extra_is_named(settings):
    with pytest.raises(
        SettingsError, match=r"model\.quantise = 4bit needs bitsandbytes, which .* Install somnolens\[ql"
    ):
        load_model(settings.model)


def test_a_sharded_model_of_four_bits_is_refused():
    with pytest.raises(
        SettingsError, match=r"train\.sharding = fsdp cannot cut up the weights of model\.quantise = 4bit"
    ):
        read_settings(overrides=["train.sharding=fsdp", "model.quantise=4bit"])


@needs_bitsandbytes
def test_the_linear_modules_of_the_decoder_and_no_others_have_four_bits(settings, style):
    looker = prepare_looker(settings, style)
    plain, *_ = load_model(settings.model.model_copy(update={"quantise": "none"}))
    of_decoder = {
        name
        for name, module in plain.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("model.language_model.layers.")
    }
    assert find_four_bits(looker) == of_decoder


@needs_bitsandbytes
def test_lora_learns_on_four_bits_and_is_kept(settings, style, pictures, tmp_path):
    torch.manual_seed(0)
    looker = prepare_looker(settings, style)
    attach_lora(looker, settings.train)
    trained = [weight for weight in looker.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-2)
    codes, losses = torch.arange(6) % 5, []
    for _ in range(8):
        optimiser.zero_grad()
        losses.append(torch.nn.functional.cross_entropy(looker(pictures), codes))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]
    write_adapter(tmp_path, looker.model, make_card(settings, style, {"cohorts": ["simulated"]}))
    loaded, card = load_adapter(tmp_path)
    assert card.resolved.model.quantise == "4bit"
    assert find_four_bits(loaded)
    with torch.no_grad():
        torch.testing.assert_close(loaded(pictures), looker.eval()(pictures), rtol=0, atol=1e-4)
