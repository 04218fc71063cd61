"""A real search, a few steps a trial."""

import json
import math
import pickle
from pathlib import Path

import pytest

from somnolens.config import Choices, Range, SearchSettings, Settings
from somnolens.errors import SettingsError, SomnolensError
from somnolens.model.adapters import read_card
from somnolens.train.features import cache_features
from somnolens.train.search import Search, Trial, _is_inside, _Listener, place_values, read_trials
from somnolens.train.search import search_hyperparameters as search

pytestmark = pytest.mark.filterwarnings("ignore:`use_push_based_shuffle` is deprecated:DeprecationWarning")

SPACE = {
    "train.learning_rate": Range(low=1e-4, high=1e-2, log=True),
    "train.batch_size": Choices(choices=(8, 0)),
    "train.lora_rank": Choices(choices=(2, 4)),
}
"""A batch of no rows is no batch, so that some trials fail."""


@pytest.fixture(scope="module")
def found(ray_cluster, short_settings, small_dataset, tmp_path_factory) -> tuple[Search, Path, list]:
    folder, heard = tmp_path_factory.mktemp("search"), []
    train = short_settings.train.model_copy(update={"max_failures": 0, "n_workers": 1})
    plan = SearchSettings(space=SPACE, n_trials=3, max_concurrent_trials=2, seed=3)
    settings = short_settings.model_copy(update={"train": train, "search": plan})
    cache_features(settings, small_dataset, folder / "cache")
    made = search(settings, small_dataset.folder, folder, lambda trial, figures: heard.append((trial, figures)))
    return made, folder, heard


@pytest.mark.ray
def test_every_trial_is_told_of(found):
    made, folder, _ = found
    assert [trial.number for trial in made.trials] == [0, 1, 2]
    assert [trial.values for trial in read_trials(folder)] == [trial.values for trial in made.trials]


@pytest.mark.ray
def test_the_first_trial_is_the_settings_themselves(found):
    first = found[0].trials[0]
    assert first.values == {"train.learning_rate": 2e-3, "train.batch_size": 8, "train.lora_rank": 4}


@pytest.mark.ray
def test_a_trial_that_fails_is_counted_and_explained(found):
    made = found[0]
    failed = [trial for trial in made.trials if trial.values["train.batch_size"] == 0]
    assert failed
    assert all(math.isnan(trial.kappa) for trial in failed)
    assert {trial.error for trial in failed} == {
        "1 setting(s) cannot be used: train.batch_size = 0: Input should be greater than or equal to 1."
    }


@pytest.mark.ray
def test_the_best_trial_becomes_the_adapter(found):
    made, folder, _ = found
    assert made.best.kappa == max(trial.kappa for trial in made.trials if not math.isnan(trial.kappa))
    assert read_card(folder / "adapter").settings["train"]["lora_rank"] == made.best.values["train.lora_rank"]


@pytest.mark.ray
def test_the_study_opens_in_optuna(found):
    import optuna

    _, folder, heard = found
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.log"))
    study = optuna.load_study(study_name=folder.name, storage=optuna.storages.JournalStorage(backend))
    assert len(study.trials) == 3
    assert study.best_value in [figures["kappa"] for _, figures in heard if "kappa" in figures]


@pytest.mark.ray
def test_the_person_who_waits_hears_of_every_report(found):
    made, _, heard = found
    assert len([figures for _, figures in heard if "kappa" in figures]) == sum(trial.reports for trial in made.trials)


def trial(number: int, kappa: float, error: str = "") -> Trial:
    return Trial(number, {"train.learning_rate": 0.00123456, "train.lora_rank": 8}, kappa, 2, False, error)


def test_the_best_trial_is_the_one_with_the_highest_kappa():
    assert Search([trial(0, math.nan, "lost"), trial(1, 0.2), trial(2, 0.7), trial(3, 0.5)]).best.number == 2


def test_a_search_without_an_ended_trial_tells_the_first_reason():
    with pytest.raises(SomnolensError, match=r"Not one of 2 trials ended. The first: lost"):
        _ = Search([trial(0, math.nan, "lost"), trial(1, math.nan, "late")]).best


def test_a_trial_can_be_repeated_by_its_command():
    assert trial(0, 0.5).command == "--set train.learning_rate=0.001235 --set train.lora_rank=8"


def test_the_values_of_a_trial_are_put_in_their_places():
    placed = place_values(Settings().model_dump(mode="json"), {"train.lora_rank": 4, "render.stroke_px": 1.0})
    assert (placed.train.lora_rank, placed.render.stroke_px) == (4, 1.0)
    assert placed.train.passes == Settings().train.passes


@pytest.mark.parametrize("name", ["train.no_such_setting", "nowhere.lora_rank", "lora_rank"])
def test_a_search_space_over_what_is_no_setting_is_refused(name, tmp_path):
    plan = SearchSettings(space={name: Choices(choices=(1, 2))})
    with pytest.raises(SettingsError, match=f"search.space names {name}, which is not a setting"):
        search(Settings(search=plan), tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("value", "domain", "inside"),
    [
        (8, Choices(choices=(8, 16)), True),
        (4, Choices(choices=(8, 16)), False),
        (0.1, Range(low=0.1, high=1), True),
        (2, Range(low=0.1, high=1), False),
    ],
)
def test_settings_outside_the_space_are_no_first_trial(value, domain, inside):
    assert _is_inside(value, domain) == inside


def test_tune_keeps_the_listener_on_disk_without_the_screen_it_writes_to():
    listener = pickle.loads(pickle.dumps(_Listener(lambda trial, figures: None)))
    listener.on_trial_result(0, [], type("T", (), {"trial_id": "a"})(), {})


def test_the_table_of_trials_is_read_back(tmp_path):
    (tmp_path / "trials.json").write_text(json.dumps([trial(0, 0.5).__dict__]))
    assert read_trials(tmp_path) == [trial(0, 0.5)]
