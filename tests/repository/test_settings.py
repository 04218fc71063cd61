"""Each setting has one default, and every settings file we ship can be used."""

import pytest

from somnolens.config import Section, Settings, read_settings, resolve_settings
from somnolens.errors import SettingsError
from tests.repository.tree import ROOT, list_files

SECTIONS = {name: field.annotation for name, field in Settings.model_fields.items()}
SHIPPED = [path for path in list_files() if path.match("jobs/configs/*.yaml")]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_setting_has_a_default(name):
    fields = SECTIONS[name].model_fields
    assert [key for key, field in fields.items() if field.is_required()] == []


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_is_frozen_and_refuses_unknown_keys(name):
    section = SECTIONS[name]
    assert issubclass(section, Section)
    assert section.model_config["frozen"] is True
    assert section.model_config["extra"] == "forbid"


def test_defaults_are_within_their_own_limits():
    assert Settings.model_validate(Settings().model_dump()) == Settings()


def test_every_shipped_settings_file_can_be_used():
    for path in SHIPPED:
        assert read_settings(ROOT / path) != Settings(), f"{path} says nothing that differs from the defaults"


def test_a_batch_that_its_workers_cannot_share_is_refused_before_anything_starts():
    with pytest.raises(SettingsError) as caught:
        read_settings(overrides=["train.batch_size=7"])
    assert str(caught.value) == (
        "1 setting(s) cannot be used: train.batch_size = 7 cannot be shared by train.n_workers = 2; choose a multiple."
    )


def test_other_gains_need_signals_to_draw_from():
    with pytest.raises(SettingsError, match=r"train\.gain_range = 1\.5 needs signals .* dataset\.keep_signals = true"):
        read_settings(overrides=["train.gain_range=1.5"])
    assert read_settings(overrides=["train.gain_range=1.5", "train.redraw=true"]).train.gain_range == 1.5


def test_settings_from_another_version_are_named_with_the_place_they_stand_in():
    with pytest.raises(SettingsError, match=r"in the adapter's card cannot be used: train.lora_size is not a setting"):
        resolve_settings({"train": {"lora_size": 8}}, "the adapter's card")


def test_fewer_workers_at_least_than_at_most():
    with pytest.raises(SettingsError, match=r"train\.min_workers = 3 is more than train\.n_workers = 2; choose fewer"):
        read_settings(overrides=["train.min_workers=3"])
