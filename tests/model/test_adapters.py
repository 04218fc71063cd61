"""Adapters: what they touch, that they survive being saved, and whom they refuse."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from peft import PeftModel

from somnolens.config import RenderSettings, Settings, TrainSettings
from somnolens.errors import AdapterError
from somnolens.model.adapter_card import check_render_hash, read_card
from somnolens.model.adapters import attach_lora, load_adapter, make_card, prepare_looker, write_adapter
from somnolens.model.base import load_model
from somnolens.model.card import CARD_FILE
from somnolens.render.style import Style
from somnolens.storage import put_folder
from tests.object_store import serve_bucket

LANGUAGE = {
    f"model.language_model.layers.{layer}.{leaf}"
    for layer in range(4)
    for leaf in (
        *(f"self_attn.{name}_proj" for name in "qkvo"),
        *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
    )
}
MERGER = {
    f"model.visual.{place}.linear_fc{layer}" for place in ("merger", "deepstack_merger_list.0") for layer in (1, 2)
}
VISION = {
    f"model.visual.blocks.{block}.{leaf}"
    for block in range(4)
    for leaf in ("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2")
}


def list_adapted(model: PeftModel) -> set[str]:
    names = (name for name, _ in model.base_model.model.named_modules())
    return {match[1] for name in names if (match := re.fullmatch(r"(.*)\.lora_A", name))}


def draw_noise(looker, n: int = 3) -> torch.Tensor:
    generator = np.random.default_rng(3)
    return torch.from_numpy(generator.integers(0, 106, (n, *looker.shape_px)).astype(np.uint8))


@pytest.fixture
def adapter(tmp_path, settings, style):
    """An adapter whose LoRA weights are not zero, in its folder, and the looker it was saved from."""
    looker = prepare_looker(settings, style)
    attach_lora(looker, settings.train)
    for name, weights in looker.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    write_adapter(tmp_path / "adapter", looker.model, make_card(settings, style, {"cohorts": ["simulated"]}))
    return tmp_path / "adapter", looker.eval()


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("language", LANGUAGE),
        ("language+merger", LANGUAGE | MERGER),
        ("language+merger+vision", LANGUAGE | MERGER | VISION),
    ],
)
def test_lora_adapts_exactly_the_modules_named_in_the_embedded_model(style, targets, expected):
    looker = prepare_looker(Settings(), style)
    attach_lora(looker, TrainSettings(lora_targets=targets))
    assert list_adapted(looker.model) == expected


def test_only_lora_weights_are_trained(settings, style):
    looker = prepare_looker(settings, style)
    attach_lora(looker, settings.train)
    assert all("lora_" in name for name, p in looker.named_parameters() if p.requires_grad)


def test_an_adapter_is_written_without_asking_the_hub_for_its_base_model(style, tmp_path):
    """peft would, of a base model by name, and warn where nobody answers; warnings are errors here."""
    looker = prepare_looker(Settings(), style)
    attach_lora(looker, TrainSettings(lora_rank=1))
    write_adapter(tmp_path, looker.model, make_card(Settings(), style, {"cohorts": ["simulated"]}))
    assert (tmp_path / "adapter_model.safetensors").is_file()


def test_a_saved_adapter_gives_the_logits_it_had(adapter):
    folder, looker = adapter
    again, _ = load_adapter(folder, merge=False)
    with torch.inference_mode():
        torch.testing.assert_close(again(draw_noise(looker)), looker(draw_noise(looker)))


def test_merged_and_unmerged_give_the_same_logits(adapter):
    folder, looker = adapter
    merged, _ = load_adapter(folder)
    with torch.inference_mode():
        torch.testing.assert_close(merged(draw_noise(looker)), looker(draw_noise(looker)), atol=1e-4, rtol=1e-4)


def test_features_computed_before_give_the_same_logits_as_pictures(adapter):
    _, looker = adapter
    pictures = draw_noise(looker)
    with torch.inference_mode():
        torch.testing.assert_close(looker(looker.see(pictures)), looker(pictures))


def test_a_picture_is_read_alike_alone_and_in_a_batch(adapter):
    _, looker = adapter
    pictures = draw_noise(looker)
    with torch.inference_mode():
        torch.testing.assert_close(looker(pictures)[1:2], looker(pictures[1:2]), atol=1e-5, rtol=1e-4)


def test_an_adapter_folder_is_a_plain_peft_folder(adapter, settings):
    folder, looker = adapter
    model, _, _ = load_model(settings.model)
    plain = PeftModel.from_pretrained(model, str(folder))
    assert list_adapted(plain) == list_adapted(looker.model)


def test_the_card_says_where_the_adapter_comes_from(adapter, style):
    folder, _ = adapter
    card = read_card(folder)
    assert card.style.hash == style.hash == card.render_hash
    assert "simulated nights only" in (folder / "README.md").read_text()


def test_a_missing_adapter_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(AdapterError, match=r"no adapter folder .*Train one with jobs/train_adapter.py"):
        read_card(tmp_path / "nothing")


def test_a_foreign_folder_is_refused_with_what_it_lacks(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"not an adapter of somnolens: it has no somnolens\.json"):
        read_card(tmp_path)


def test_pictures_of_another_style_are_refused(adapter):
    folder, _ = adapter
    with pytest.raises(AdapterError, match="The dataset x was drawn with render hash abc, the adapter learnt from"):
        check_render_hash(read_card(folder), "abc", "The dataset x")


def test_an_adapter_whose_card_was_changed_is_refused(adapter):
    folder, _ = adapter
    card = json.loads((folder / CARD_FILE).read_text())
    card["settings"]["render"]["eeg_uv_per_px"] = 3.0
    (folder / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(AdapterError, match="drawn with render hash"):
        load_adapter(folder)


def test_an_adapter_on_another_base_model_is_refused(adapter, base_folder, tmp_path):
    folder, _ = adapter
    card = json.loads((folder / CARD_FILE).read_text())
    card["base_model"]["fingerprint"] = "000000000000"
    (folder / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(AdapterError, match="those at hand are"):
        load_adapter(folder)
    shutil.rmtree(folder)


def test_an_adapter_remembers_the_style_of_its_pictures_and_not_of_the_command_line(settings):
    wide = Style(RenderSettings(preset="wide-896"), settings.prepare)
    card = make_card(settings, wide, {"cohorts": ["simulated"]})
    assert card.style.hash == card.render_hash == wide.hash


@pytest.mark.slow
def test_an_adapter_is_fetched_from_its_url(adapter_folder):
    with serve_bucket("adapters") as bucket:
        put_folder(adapter_folder, bucket / "run" / "adapter")
        assert read_card(str(bucket / "run" / "adapter")) == read_card(adapter_folder)
        with pytest.raises(AdapterError, match=r"There is no adapter at s3://adapters/run: it has no somnolens\.json"):
            read_card(str(bucket / "run"))
