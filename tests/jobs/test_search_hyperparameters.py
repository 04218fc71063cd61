"""What the search leaves behind and says at its end."""

import io
import math

import optuna
import pytest
from rich.console import Console

from somnolens.config import Choices, SearchSettings, Settings
from somnolens.jobs.search_hyperparameters import _draw, _has_only_begun, describe, format_trials
from somnolens.train.study import Search, Trial, begin_study, end_trial, note_report, summarise_study


def make_trial(number: int, kappa: float = math.nan, error: str = "") -> Trial:
    return Trial(number, {"train.lora_rank": 8}, kappa, 2, False, error)


FOUND = Search([make_trial(0, 0.5), *(make_trial(n, error=e) for n, e in ((1, "odd."), (2, "lost."), (3, "odd.")))])


def test_failed_trials_are_counted_by_reason(tmp_path):
    (tmp_path / "best.sh").write_text("python jobs/train_adapter.py DATA RUN\n")
    lines = describe(FOUND, tmp_path).splitlines()
    assert lines[:3] == ["3 of 4 trials failed:", "  2 x odd.", "  1 x lost."]
    assert lines[-1] == "  python jobs/train_adapter.py DATA RUN"
    assert f"optuna-dashboard {tmp_path / 'study.log'}" in lines[-3]


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


@pytest.mark.parametrize(
    ("files", "only_begun"), [((), False), (("ray.log",), True), (("ray.log", "study.log"), False)]
)
def test_a_job_that_was_interrupted_before_its_search_begins_it(tmp_path, files, only_begun):
    for name in files:
        (tmp_path / name).touch()
    assert _has_only_begun(tmp_path) == only_begun
