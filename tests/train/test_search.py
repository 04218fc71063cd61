"""A real search, a few steps a trial."""

import json
import math
import os
import pickle
import shutil
from pathlib import Path

import pytest
from optuna import Study
from optuna.storages.journal._storage import JournalOperation as Told
from optuna.trial import TrialState
from upath import UPath

from somnolens.config import Choices, Range, SearchSettings, Settings, TrackingSettings
from somnolens.model.adapter_card import read_card
from somnolens.storage import list_names, put_folder
from somnolens.train.features import cache_features
from somnolens.train.journal import STUDY_FILE
from somnolens.train.price import Price
from somnolens.train.search import _catch_up, _Listener, _Study, _to_domain
from somnolens.train.search import search_hyperparameters as search
from somnolens.train.study import (
    TRAIN_RUN,
    Search,
    Trial,
    begin_study,
    list_unfinished,
    load_study,
    read_trials,
    summarise_study,
)
from somnolens.train.tracking import Tracker
from somnolens.train.worker import OBJECTIVE
from tests.object_store import ACCESS, serve_bucket

pytestmark = [
    pytest.mark.filterwarnings("ignore:`use_push_based_shuffle` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated:DeprecationWarning"),  # Ray Train's own
]

SPACE = {
    "train.learning_rate": Range(low=1e-4, high=1e-2, log=True),
    "train.batch_size": Choices(choices=(8, 0)),
    "train.lora_rank": Choices(choices=(2, 4)),
}
"""A batch of no rows is no batch, so that some trials fail."""


def plan(settings: Settings, n_trials: int) -> Settings:
    train = settings.train.model_copy(update={"max_failures": 0, "n_workers": 1})
    search = SearchSettings(space=SPACE, n_trials=n_trials, max_concurrent_trials=2, seed=16)
    return settings.model_copy(update={"train": train, "search": search})


@pytest.fixture(scope="module")
def found(ray_cluster, short_settings, small_dataset, tmp_path_factory) -> tuple[Search, Path, list]:
    folder, heard = tmp_path_factory.mktemp("search"), []
    settings = plan(short_settings, n_trials=2)
    cache_features(settings, small_dataset, folder / "cache")
    made = search(settings, small_dataset.folder, folder, lambda trial, figures: heard.append((trial, figures)))
    return made, folder, heard


@pytest.mark.ray
def test_every_trial_is_told_of(found):
    made, folder, _ = found
    assert [trial.number for trial in made.trials] == [0, 1]
    assert [trial.values for trial in read_trials(folder)] == [trial.values for trial in made.trials]


@pytest.mark.ray
def test_the_first_trial_is_the_settings_themselves(found):
    first = found[0].trials[0]
    assert first.values == {"train.learning_rate": 2.2e-3, "train.batch_size": 8, "train.lora_rank": 4}


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
    assert len(study.trials) == 2
    assert study.best_value in [figures["kappa"] for _, figures in heard if "kappa" in figures]


@pytest.mark.ray
def test_the_person_who_waits_hears_of_every_report(found):
    made, _, heard = found
    assert len([figures for _, figures in heard if "kappa" in figures]) == sum(trial.reports for trial in made.trials)


def forget_the_end(folder: Path, copy: Path, number: int) -> None:
    """A copy of a search as a lost driver would have left it: a trial has begun, and none of its reports was heard."""
    shutil.copytree(folder, copy)
    lines = (copy / STUDY_FILE).read_text().splitlines(keepends=True)
    (copy / STUDY_FILE).write_text("".join(line for line in lines if not tells_how_it_went(json.loads(line), number)))


def tells_how_it_went(entry: dict, number: int) -> bool:
    """Whether a line of the journal is a report of a trial, or its end."""
    if entry.get("trial_id") != number:
        return False
    if entry["op_code"] == Told.SET_TRIAL_STATE_VALUES:
        return entry["state"] in (TrialState.COMPLETE, TrialState.FAIL)
    of_report = entry["op_code"] in (Told.SET_TRIAL_INTERMEDIATE_VALUE, Told.SET_TRIAL_USER_ATTR)
    return of_report and TRAIN_RUN not in entry.get("user_attr", {})


@pytest.fixture(scope="module")
def lab():
    """A bucket whose path holds address and keys: the workers were started before its store."""
    with serve_bucket("searches-that-go-on") as bucket:
        endpoint, key, secret, _ = (os.environ[variable] for variable in ACCESS)
        yield UPath(str(bucket), endpoint_url=endpoint, key=key, secret=secret, use_listings_cache=False)


@pytest.fixture(scope="module")
def gone_on(found, lab, short_settings, small_dataset, tmp_path_factory) -> tuple[Search, Path, Search, Trial]:
    """A search that was moved to a bucket and gone on with there, after its last good trial went missing."""
    made, folder, _ = found
    copy = tmp_path_factory.mktemp("interrupted") / "search"
    lost = [trial for trial in made.trials if not trial.failed][-1]
    forget_the_end(folder, copy, lost.number)
    (running,) = list_unfinished(load_study(copy))
    shutil.rmtree(copy / "ray" / "trials" / running.user_attrs[TRAIN_RUN])
    shutil.rmtree(copy / "adapter")
    put_folder(copy, lab / "search")
    put_folder(small_dataset.folder, lab / "dataset")
    again = search(plan(short_settings, n_trials=3), lab / "dataset", lab / "search", resume=True)
    return made, lab / "search", again, lost


@pytest.mark.ray
def test_a_resumed_search_keeps_what_ended_and_does_the_rest(gone_on):
    made, folder, again, lost = gone_on
    assert [trial.number for trial in again.trials] == [0, 1, 2]
    kept = [trial.number for trial in made.trials if trial.number != lost.number]
    assert [repr(again.trials[number]) for number in kept] == [repr(made.trials[number]) for number in kept]
    assert list_unfinished(load_study(folder)) == []
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.ray
def test_a_lost_trial_is_done_again_under_its_own_number(gone_on):
    _, folder, again, lost = gone_on
    done = again.trials[lost.number]
    assert (done.values, done.failed) == (lost.values, False)
    assert (folder / "ray" / "trials" / done.checkpoint).is_dir()
    assert done.interrupted == 1


@pytest.mark.ray
def test_reports_that_nobody_heard_are_read_from_the_checkpoints(found, short_settings, tmp_path):
    made, folder, _ = found
    lost = next(trial for trial in made.trials if not trial.failed and not trial.stopped_early)
    forget_the_end(folder, tmp_path / "search", lost.number)
    study, n_reports = load_study(tmp_path / "search"), short_settings.train.passes
    assert _catch_up(study, tmp_path / "search", n_reports, Price(Settings())) == []
    again = summarise_study(study, n_reports).trials[lost.number]
    assert (again.kappa, again.curve, again.stopped_early) == (lost.kappa, lost.curve, False)
    assert again.checkpoint == lost.checkpoint
    assert again.interrupted == lost.interrupted + 1


@pytest.mark.ray
def test_a_search_that_has_ended_is_not_run_again(gone_on, short_settings, small_dataset):
    _, folder, again, _ = gone_on
    heard = []
    settings = plan(short_settings, n_trials=3)
    same = search(settings, small_dataset.folder, folder, lambda *told: heard.append(told), resume=True)
    assert repr(same) == repr(again)
    assert heard == []


@pytest.mark.ray
def test_the_figures_of_every_trial_are_in_tensorboard(found):
    made, folder, _ = found
    finished = [trial for trial in made.trials if not trial.failed]
    assert len(list((folder / "tensorboard").glob("trial-*/events.*"))) == len(finished)


@pytest.mark.ray
def test_what_a_search_leaves_in_a_bucket_is_all_there(gone_on):
    _, folder, again, _ = gone_on
    names = set(list_names(folder))
    assert {"study.log", "trials.json", "adapter/adapter_model.safetensors", "adapter/somnolens.json"} <= names
    assert f"ray/trials/{again.best.checkpoint}/state.pt" in names
    assert repr(read_trials(folder)) == repr(again.trials)


def test_tune_keeps_the_listener_on_disk_without_the_screen_it_writes_to():
    listener = pickle.loads(pickle.dumps(_Listener(lambda trial, figures: None)))
    listener.on_trial_result(0, [], type("T", (), {"trial_id": "a"})(), {})


def make_searcher(study: Study, settings: Settings, run: Path) -> _Study:
    """As Tune gets it ready."""
    searcher = _Study(study, settings, run, unfinished=[], price=Price(settings))
    space = {name: _to_domain(domain) for name, domain in settings.search.space.items()}
    searcher.set_search_properties(OBJECTIVE, "max", space)
    return searcher


def test_a_trial_that_was_stopped_has_ended_in_mlflow_too(short_settings, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    tracking = TrackingSettings(tensorboard=False, mlflow="run")
    settings = plan(short_settings, n_trials=1).model_copy(update={"tracking": tracking})
    study = begin_study(settings, tmp_path)
    searcher = make_searcher(study, settings, tmp_path)
    searcher.suggest("a")
    (trial,) = load_study(tmp_path).trials
    figures = {"kappa": 0.5, "step": 3, "reports": 1, "checkpoint_path": "/runs/a/step_3"}
    Tracker(settings, tmp_path, trial.user_attrs[TRAIN_RUN]).write(figures)
    searcher.on_trial_complete("a", figures)
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
    assert (run.info.run_name, run.info.status) == (trial.user_attrs[TRAIN_RUN], "KILLED")


def test_a_searcher_of_two_objectives_tells_the_study_what_a_trial_costs(short_settings, tmp_path):
    space = {"render.preset": Choices(choices=("strip-448", "wide-896"))}
    search = SearchSettings(space=space, objectives="kappa and cost", n_trials=4, seed=6)
    settings = short_settings.model_copy(update={"search": search})
    study = begin_study(settings, tmp_path)
    searcher = make_searcher(study, settings, tmp_path)
    for trial_id in "abcd":
        is_wide = searcher.suggest(trial_id)["render.preset"] == "wide-896"
        figures = {"kappa": 0.8 if is_wide else 0.7, "reports": 1, "checkpoint_path": "/runs/a/step_1"}
        searcher.on_trial_result(trial_id, figures)
        searcher.on_trial_complete(trial_id, figures)
    found = summarise_study(load_study(tmp_path), n_reports=1)
    assert {trial.values["render.preset"]: trial.kappa for trial in found.front} == {"strip-448": 0.7, "wide-896": 0.8}
