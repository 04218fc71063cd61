"""What the search leaves behind and says at its end."""

import io
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pytest
from rich.console import Console

from somnolens.config import Choices, SearchSettings, Settings
from somnolens.errors import RunFolderError
from somnolens.jobs.search_hyperparameters import _draw, begin, describe, format_trials
from somnolens.storage import list_names, write_bytes
from somnolens.train.study import Search, Trial, begin_study, end_trial, note_report, summarise_study
from tests.object_store import serve_bucket


def make_trial(number: int, kappa: float = math.nan, error: str = "") -> Trial:
    return Trial(number, {"train.lora_rank": 8}, kappa, 2, False, error)


FOUND = Search([make_trial(0, 0.5), *(make_trial(n, error=e) for n, e in ((1, "odd."), (2, "lost."), (3, "odd.")))])


def test_failed_trials_are_counted_by_reason(tmp_path):
    (tmp_path / "best.sh").write_text("python jobs/train_adapter.py DATA RUN\n")
    lines = describe(FOUND, tmp_path).splitlines()
    assert lines[:3] == ["3 of 4 trials failed:", "  2 x odd.", "  1 x lost."]
    assert lines[-1] == "  python jobs/train_adapter.py DATA RUN"
    assert f"optuna-dashboard {tmp_path / 'study.log'}" in lines[-3]


def test_the_table_tells_how_often_a_trial_was_interrupted():
    console = Console(width=100, file=io.StringIO())
    lost = replace(make_trial(1, 0.4), interrupted=2)
    console.print(format_trials(Search([make_trial(0, 0.5), lost])))
    assert "interrupted 2 x" in console.file.getvalue()


def test_a_search_without_failures_does_not_speak_of_them(tmp_path):
    (tmp_path / "best.sh").write_text("python\n")
    assert "failed" not in describe(Search([make_trial(0, 0.5)]), tmp_path)


def test_the_table_marks_the_best_and_explains_the_failed():
    console = Console(width=100, file=io.StringIO())
    console.print(format_trials(FOUND))
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["0", "8", "2", "0.500", "best"] in rows
    assert ["1", "8", "2", "failed", "odd."] in rows


def search_by_hand(run, n: int) -> Search:
    settings = Settings(search=SearchSettings(space={"train.lora_rank": Choices(choices=(2, 4, 8))}))
    study = begin_study(settings, run)
    for number in range(n):
        trial = study.ask({"train.lora_rank": optuna.distributions.CategoricalDistribution((2, 4, 8))})
        figures = {"kappa": 0.1 * trial.params["train.lora_rank"] + number, "reports": 1, "checkpoint_path": "a/b"}
        note_report(trial, figures)
        end_trial(study, trial)
    return summarise_study(study, 1)


def test_both_pictures_are_drawn(tmp_path):
    _draw(search_by_hand(tmp_path, 8), tmp_path, Console(quiet=True))
    assert {"history.png", "importance.png"} <= {path.name for path in tmp_path.iterdir()}


def test_a_short_search_has_a_sentence_in_place_of_the_importance(tmp_path, capsys):
    _draw(search_by_hand(tmp_path, 2), tmp_path, Console(width=200))
    assert capsys.readouterr().out.startswith("No importance.png: 2 finished trial(s) do not tell")
    assert not (tmp_path / "importance.png").exists()


@dataclass
class Opened:
    """What the job knows of a dataset when it begins."""

    summary: dict[str, str]


DATASET = Opened({"fingerprint": "0123456789ab"})


@pytest.fixture(scope="module")
def bucket():
    with serve_bucket("searches") as bucket:
        yield bucket


@pytest.fixture(params=["here", pytest.param("s3", marks=pytest.mark.slow)])
def run(request, tmp_path) -> Path:
    return (tmp_path if request.param == "here" else request.getfixturevalue("bucket")) / request.node.name


@pytest.mark.parametrize("resume", [False, True])
def test_the_same_command_goes_on_with_a_search_as_soon_as_there_is_a_study(run, resume):
    assert not begin(run, False, DATASET)
    assert not begin(run, resume, DATASET)
    begin_study(Settings(), run)
    assert begin(run, resume, DATASET)


def test_a_search_is_not_gone_on_with_on_another_dataset(run):
    begin(run, False, DATASET)
    with pytest.raises(RunFolderError, match="begun with other dataset; name the dataset it began with"):
        begin(run, True, Opened({"fingerprint": "ba9876543210"}))


def test_where_there_is_no_search_none_is_resumed(run):
    with pytest.raises(RunFolderError, match=f"no search in {re.escape(str(run))} to go on with"):
        begin(run, True, DATASET)


def test_other_files_are_not_written_over(run):
    write_bytes(run / "thesis.tex", b"years")
    with pytest.raises(RunFolderError, match=r"exists\. No run overwrites another"):
        begin(run, False, DATASET)


@pytest.mark.slow
def test_the_figures_of_a_search_in_a_bucket_lie_there_and_its_study_is_copied_to_be_looked_at(bucket):
    run = bucket / "drawn"
    found = search_by_hand(run, 8)
    _draw(found, run, Console(quiet=True))
    write_bytes(run / "best.sh", b"python\n")
    assert {"history.png", "importance.png", "study.log"} <= set(list_names(run))
    assert "copy s3://searches/drawn/study.log to this folder, then optuna-dashboard study.log" in describe(found, run)
