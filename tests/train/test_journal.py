"""The file of a study in a store: written after every entry, read by whoever opens it, a journal of Optuna's own."""

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from somnolens.config import Choices, SearchSettings, Settings
from somnolens.errors import StorageError
from somnolens.storage import fetch, parse_path
from somnolens.train import journal
from somnolens.train.journal import STUDY_FILE
from somnolens.train.study import begin_study, count_finished, end_trial, load_study, note_report
from tests.object_store import enter_store, serve_bucket

SPACE = {"train.lora_rank": Choices(choices=(2, 4, 8))}


@pytest.fixture(scope="module")
def bucket():
    with serve_bucket("studies") as bucket:
        yield bucket


def add_trial(study: optuna.Study, kappa: float) -> None:
    trial = study.ask({"train.lora_rank": optuna.distributions.CategoricalDistribution((2, 4, 8))})
    note_report(trial, {"kappa": kappa, "reports": 1, "checkpoint_path": "trial-1/step_000001"})
    end_trial(study, trial)


@pytest.mark.slow
def test_another_machine_goes_on_with_the_study_and_the_first_sees_it(bucket, monkeypatch):
    run = bucket / "shared"
    study = begin_study(Settings(search=SearchSettings(space=SPACE)), run)
    add_trial(study, 0.5)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(journal, "_make_folder", journal._make_folder.__wrapped__)  # as a new process would
        there = load_study(run)
        assert [trial.value for trial in there.get_trials()] == [0.5]
        add_trial(there, 0.6)
    assert [trial.value for trial in load_study(run).get_trials()] == [0.5, 0.6]


@pytest.mark.slow
def test_a_copy_of_the_file_opens_in_optuna_as_the_dashboard_opens_it(bucket, tmp_path):
    add_trial(begin_study(Settings(search=SearchSettings(space=SPACE)), bucket / "copied"), 0.7)
    copy = fetch(bucket / "copied" / STUDY_FILE, tmp_path)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(copy)))
    (name,) = optuna.get_all_study_names(storage)
    assert optuna.load_study(study_name=name, storage=storage).best_value == 0.7


@pytest.mark.slow
def test_nothing_that_was_told_is_only_here(bucket):
    run = bucket / "kept"
    study = begin_study(Settings(search=SearchSettings(space=SPACE)), run)
    for kappa in (0.1, 0.2):
        add_trial(study, kappa)
        assert f'"values":[{kappa}]' in (run / STUDY_FILE).read_text().splitlines()[-1]
    assert count_finished(study) == 2


def test_a_store_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    told = pytest.raises(StorageError, match=r"study.log could not be looked for \(\w+: .*start again")
    with enter_store("http://127.0.0.1:9", "key", "secret", "us-east-1"), told:
        load_study(parse_path("s3://nobody/run"))
