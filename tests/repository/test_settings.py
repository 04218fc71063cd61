"""Each setting has one default, and every settings file we ship can be used."""

import pytest

from somnolens.config import Section, Settings, read_settings
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
