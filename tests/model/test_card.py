"""An adapter's card in words."""

import yaml

from somnolens.model.card import describe_card
from tests.model.adapter_folders import make_card


def read_head(text: str) -> dict:
    _, head, _ = text.split("---\n", 2)
    return yaml.safe_load(head)


def test_the_head_is_what_the_hub_reads():
    assert read_head(describe_card(make_card())) == {
        "base_model": "lab/model",
        "library_name": "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["lora", "polysomnography", "sleep-staging"],
    }


def test_a_base_model_in_a_folder_of_this_machine_is_not_named():
    base = {"name": "/models/mine", "revision": None, "fingerprint": "0" * 12, "model_type": "qwen3_vl"}
    text = describe_card(make_card(base_model=base))
    assert "base_model" not in read_head(text)
    assert "/models" not in text


def test_a_card_counts_subjects_and_epochs_of_each_split_and_names_nobody():
    dataset = make_card()["dataset"] | {"subjects": {"train": ["Anna", "Jan"], "validation": ["Ewa"], "test": ["Ola"]}}
    text = describe_card(make_card(dataset=dataset))
    assert "| train | 2 | 12 | 3 | 1 | 5 | 2 | 1 |" in text
    assert "| test | 1 | 12 |" in text
    assert not [name for name in ("Anna", "Jan", "Ewa", "Ola") if name in text]


def test_figures_of_validation_and_test_stand_side_by_side():
    text = describe_card(make_card())
    assert "| figure | validation | test |" in text
    assert "| night.kappa | 0.700 | 0.650 |" in text
    assert "| night.loss |  | 0.900 |" in text


def test_a_card_says_what_the_adapter_is_not_for():
    text = describe_card(make_card())
    assert "no diagnosis may rest on it alone" in text
    assert "simulated nights only" not in text


def test_calibration_is_told_where_there_is_one():
    assert "Calibration" not in describe_card(make_card())
    assert "## Calibration\n\n- temperature: 1.3" in describe_card(make_card(calibration={"temperature": 1.3}))


def test_a_card_without_splits_or_figures_is_described_too():
    text = describe_card(make_card(dataset={"cohorts": ["simulated"]}, metrics={}))
    assert "simulated nights only" in text
    assert "| split |" not in text
    assert "How well" not in text
