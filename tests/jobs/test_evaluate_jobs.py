"""The jobs of an evaluation: what they write, what they refuse, and a cohort left out on a small case."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset, open_training_dataset
from somnolens.errors import DatasetError, LeakError, SettingsError
from somnolens.jobs.arguments import split_pairs
from somnolens.jobs.calibrate_adapter import main as calibrate
from somnolens.jobs.evaluate_across import cross, format_matrix, is_new_to, write_matrix
from somnolens.jobs.evaluate_adapter import evaluate, show
from somnolens.jobs.leave_cohorts_out import choose_cohorts, leave_out_each, list_cohorts
from somnolens.model.adapter_card import read_card
from somnolens.score.calibration import Calibration
from somnolens.score.fitting import finish_adapter
from somnolens.score.reader import load_reader
from tests.small_cohort import N_EPOCHS, build_one_by_one, build_without_ray, small_settings, write_small_cohort

pytestmark = pytest.mark.slow

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_cohort(tmp_path_factory.mktemp("cohort") / "nights", 6)


@pytest.fixture(scope="module")
def settings(adapter_folder) -> Settings:
    return small_settings(adapter_folder.parent / "base", "train.passes=1", "train.n_workers=1")


@pytest.fixture(scope="module")
def dataset(nights: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build_without_ray(nights, tmp_path_factory.mktemp("one") / "dataset", settings)


@pytest.fixture(scope="module")
def two_cohorts(nights: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three subjects of each of two cohorts, in every split one of each."""
    from dataclasses import replace

    from somnolens.read.cohorts import find_nights

    found = find_nights(nights, "simulated")
    named = [replace(night, cohort=("north", "south")[place % 2]) for place, night in enumerate(found)]
    shares = {"validation_share": 0.34, "test_share": 0.33, "split_seed": find_seed([n.subject for n in named])}
    settings = settings.model_copy(update={"dataset": settings.dataset.model_copy(update=shares)})
    return build_one_by_one(named, tmp_path_factory.mktemp("two") / "dataset", settings)


def find_seed(subjects: list[str]) -> int:
    """A seed that puts one subject of each cohort into every split."""
    from somnolens.dataset.splits import split_subjects

    for seed in range(100):
        splits = split_subjects(subjects, 0.34, 0.33, seed)
        if all(len({splits[name] for name in subjects[first::2]}) == 3 for first in (0, 1)):
            return seed
    raise AssertionError("no seed puts one subject of each cohort into every split")


def test_an_evaluation_writes_figures_tables_and_metrics(adapter_folder, dataset, tmp_path):
    console = Console(width=120)
    with console.capture() as capture:
        show(evaluate(adapter_folder, dataset.folder, tmp_path, console), console, "Agreement on the test subjects")
    (night,) = dataset.nights("test")[:1]
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"metrics.json", "confusion.png", "slices.png", "calibration.png", "bland_altman.png"}
    assert written >= {
        f"{name}.csv" for name in ("nights", "slices", "totals", "bland_altman", "calibration", "effort")
    }
    assert written >= {f"{night}.png", f"{night}.csv"}
    told = json.loads((tmp_path / "metrics.json").read_text())
    assert told["leak_check"]["n_pictures"] == len(dataset.nights("test")) * N_EPOCHS
    assert told["split"] == "test"
    assert "Measures with intervals" in capture.get()


def test_a_leak_ends_the_evaluation_before_anything_is_scored(adapter_folder, dataset, tmp_path):
    copied = Path(shutil.copytree(dataset.folder, tmp_path / "copied"))
    content = json.loads((copied / "dataset.json").read_text())
    shards = [
        copied / "shards" / row["split"] / f"night={row['night']}" / "part-0.parquet" for row in content["nights"]
    ]
    splits = [row["split"] for row in content["nights"]]
    shutil.copy(shards[splits.index("train")], shards[splits.index("test")])
    with pytest.raises(LeakError, match="byte for byte"):
        evaluate(adapter_folder, copied, tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()


def test_adapters_are_measured_across_datasets(adapter_folder, dataset, two_cohorts, tmp_path):
    datasets = {"one": dataset, "two": two_cohorts}
    cells = cross({"random": str(adapter_folder)}, datasets, QUIET)
    assert [(cell.row, cell.column, cell.is_new) for cell in cells] == [("random", name, True) for name in datasets]
    write_matrix(cells, tmp_path, "Adapters by datasets")
    rows = list(csv.DictReader((tmp_path / "matrix.csv").read_text().splitlines()))
    assert [int(row["nights"]) for row in rows] == [len(one.nights("test")) for one in datasets.values()]
    assert float(rows[0]["accuracy"]) == pytest.approx(cells[0].agreement.accuracy)
    assert (tmp_path / "matrix.png").stat().st_size > 1000
    assert format_matrix(cells, "Adapters by datasets").row_count == 1


def test_a_dataset_that_was_learnt_from_is_not_new(adapter_folder, dataset):
    from dataclasses import replace

    card = read_card(adapter_folder)
    assert is_new_to(card, dataset)
    assert not is_new_to(replace(card, dataset=dataset.summary), dataset)
    real = replace(dataset, manifest=dataset.manifest | {"cohorts": ["isruc"]})
    assert not is_new_to(replace(card, dataset={"cohorts": ["isruc", "mass"]}), real)


@pytest.mark.parametrize("pairs", [["a"], ["=b"], ["a="], ["a=b", "a=c"]])
def test_names_must_be_given_and_differ(pairs):
    with pytest.raises(SettingsError, match="is not NAME=VALUE with a name of its own"):
        split_pairs(pairs, "--adapter")


def test_calibration_changes_the_card_and_nothing_else(adapter_folder, dataset, tmp_path, capsys):
    adapter = Path(shutil.copytree(adapter_folder, tmp_path / "adapter"))
    calibrate(adapter, dataset.folder, split="train")
    before, after = read_card(adapter_folder), read_card(adapter)
    assert before.calibration == {}
    assert after.calibration["n_subjects"] == len(dataset.subjects("train"))
    assert after.calibration["temperature"].keys() == {"picture", "night"}
    assert after.sequence == before.sequence
    assert "## Calibration" in (adapter / "README.md").read_text()
    weights = "adapter_model.safetensors"
    assert (adapter / weights).read_bytes() == (adapter_folder / weights).read_bytes()
    assert "Temperatures:" in capsys.readouterr().out


def test_a_trained_adapter_is_finished_with_both_temperatures(adapter_folder, dataset, tmp_path):
    adapter = Path(shutil.copytree(adapter_folder, tmp_path / "adapter"))
    card = finish_adapter(adapter, dataset)
    assert read_card(adapter) == card
    validation = dataset.nights("validation")
    assert (card.calibration["n_subjects"], card.calibration["n_epochs"]) == (len(validation), 7 * len(validation))
    assert load_reader(adapter).calibration == Calibration.from_dict(card.calibration)
    assert "validation.night.kappa" in card.metrics


def test_a_training_keeps_away_from_the_cohort_it_leaves_out(two_cohorts, settings):
    train = settings.train.model_copy(update={"leave_out": "north"})
    opened = open_training_dataset(two_cohorts.folder, settings.model_copy(update={"train": train}))
    learnt = [night for split in ("train", "validation") for night in opened.nights(split)]
    assert {opened.name_cohort(night) for night in learnt} == {"south"}
    assert [opened.name_cohort(night) for night in opened.nights("test")] == ["north"] * 3
    assert opened.summary["cohorts"] == ["south"]


def test_one_cohort_cannot_be_left_out(dataset):
    with pytest.raises(DatasetError, match=r"holds no cohort but simulated\. Leaving one out needs two or more"):
        list_cohorts(dataset)


def test_cohorts_to_leave_out_are_those_named_or_all(two_cohorts):
    assert choose_cohorts(two_cohorts, []) == ["north", "south"]
    assert choose_cohorts(two_cohorts, ["south"]) == ["south"]
    with pytest.raises(DatasetError, match=r"holds no cohort west\. There are north, south\."):
        choose_cohorts(two_cohorts, ["south", "west"])


@pytest.mark.ray
def test_a_cohort_that_was_left_out_is_measured_beside_the_other(two_cohorts, settings, tmp_path, ray_cluster):
    cells = leave_out_each(["north"], two_cohorts, tmp_path, settings, QUIET)
    assert [(cell.row, cell.column, cell.is_new, cell.n_nights) for cell in cells] == [
        ("without north", "north", True, 3),
        ("without north", "south", False, 1),
    ]
    card = read_card(tmp_path / "north" / "adapter")
    assert (card.dataset["cohorts"], card.resolved.train.leave_out) == (["south"], "north")
