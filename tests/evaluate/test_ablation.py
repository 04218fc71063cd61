"""Ablation: one thing changed at a time, on the ordinary path, without Ray."""

import numpy as np
import pytest

from somnolens.config import Settings
from somnolens.evaluate.ablation import BASELINE, VARIANTS, ablate, change_settings, list_variants
from somnolens.model.adapter_card import read_card
from tests.small_cohort import small_settings, write_small_cohort
from tests.tiny_models import write_tiny_model


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.group}-{variant.name}")
def test_a_variant_changes_only_what_it_says(variant):
    before, after = (settings.model_dump() for settings in (Settings(), change_settings(Settings(), variant)))
    assert {section for section in before if before[section] != after[section]} == set(variant.changes)


def test_a_preset_sets_the_whole_style():
    wide = next(variant for variant in VARIANTS if variant.name == "896 px")
    assert change_settings(Settings(), wide).render.height_px == 448


def test_some_groups_can_be_chosen():
    assert [one.name for one in list_variants(["context"])] == [
        BASELINE,
        "three epochs in one picture",
        "three pictures",
    ]
    assert len(list_variants()) == 1 + len(VARIANTS)


@pytest.mark.slow
def test_a_small_ablation_draws_trains_and_evaluates(tmp_path):
    nights = write_small_cohort(tmp_path / "nights", 4)
    base = write_tiny_model("qwen3_vl", tmp_path / "base")
    settings = small_settings(base, "train.passes=1", "dataset.validation_share=0.25", "train.max_validation_rows=8")
    notes = []
    variants = [one for one in list_variants(["modalities"]) if one.name in (BASELINE, "EEG")]
    whole, eeg = ablate(nights, tmp_path / "out", settings, variants, notes.append)
    assert whole.night.pooled.n_epochs == eeg.night.pooled.n_epochs == 7
    quality = eeg.night.nights[0].known.quality
    assert (quality[:, 3:] == 1).all()
    assert not np.array_equal(quality, whole.night.nights[0].known.quality)
    card = read_card(tmp_path / "out" / "00" / "adapter")
    assert card.sequence
    assert "validation.night.kappa" in card.metrics
    assert any("validation kappa" in note for note in notes)
