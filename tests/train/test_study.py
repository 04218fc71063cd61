"""What a search remembers, without Ray: trials are told to Optuna by hand."""

import json
import math
import shlex
from pathlib import Path

import optuna
import pytest

from somnolens.config import Choices, Range, SearchSettings, Settings, read_settings
from somnolens.errors import RunFolderError, SettingsError, SomnolensError
from somnolens.train.price import Price
from somnolens.train.study import (
    Search,
    Trial,
    begin_study,
    check_space,
    count_finished,
    end_trial,
    format_command,
    is_inside,
    list_first_points,
    list_unfinished,
    load_study,
    measure_importance,
    note_report,
    place_values,
    read_curve,
    read_trials,
    reopen_study,
    summarise_study,
    take_up,
    write_trials,
)

SPACE = {"train.learning_rate": Range(low=1e-4, high=1e-2, log=True), "train.lora_rank": Choices(choices=(2, 4, 8))}
DISTRIBUTIONS = {
    "train.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
    "train.lora_rank": optuna.distributions.CategoricalDistribution((2, 4, 8)),
}
N_REPORTS = 3


def make_settings(**search) -> Settings:
    plain = {"space": SPACE, "n_trials": 4} | search
    return Settings(search=SearchSettings(**plain), train=read_settings(overrides=["train.lora_rank=4"]).train)


def run_trial(study: optuna.Study, kappas: list[float], error: str = "", ends: bool = True) -> optuna.Trial:
    trial = study.ask(DISTRIBUTIONS)
    for report, kappa in enumerate(kappas, start=1):
        note_report(trial, {"kappa": kappa, "reports": report, "checkpoint_path": f"/runs/a/step_{report}"})
    if ends:
        end_trial(study, trial, error)
    return trial


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    return begin_study(make_settings(), tmp_path)


@pytest.fixture
def study_of_two(tmp_path) -> optuna.Study:
    return begin_study(make_settings(objectives="kappa and cost"), tmp_path)


def trial(number: int, kappa: float, error: str = "") -> Trial:
    return Trial(number, {"train.learning_rate": 0.00123456, "train.lora_rank": 8}, kappa, 2, False, error)


def test_the_first_trials_are_the_settings_themselves_and_the_points_to_start_with():
    known = {"train.learning_rate": 2e-3, "train.lora_rank": 8}
    points = list_first_points(make_settings(start_with=({"train.lora_rank": 2}, known)))
    own = {"train.learning_rate": Settings().train.learning_rate, "train.lora_rank": 4}
    assert points == [own, {"train.lora_rank": 2}, known]


def test_a_point_is_not_tried_twice():
    own = list_first_points(make_settings())[0]
    assert list_first_points(make_settings(start_with=(own, own))) == [own]


def test_a_study_starts_with_the_points_and_draws_what_they_leave_out(tmp_path):
    study = begin_study(make_settings(start_with=({"train.lora_rank": 2},)), tmp_path)
    first, second = study.ask(DISTRIBUTIONS), study.ask(DISTRIBUTIONS)
    assert first.params["train.lora_rank"] == 4
    assert second.params["train.lora_rank"] == 2
    assert 1e-4 <= second.params["train.learning_rate"] <= 1e-2


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"train.passes": 2}, "names train.passes, which is not searched. There are: train.learning_rate, train.lo"),
        ({"train.lora_rank": 3}, "train.lora_rank = 3 is outside its space, one of 2, 4, 8"),
        ({"train.learning_rate": 1.0}, "train.learning_rate = 1.0 is outside its space, 0.0001 to 0.01"),
        ({"train.learning_rate": "high"}, "train.learning_rate = 'high' is outside its space"),
    ],
)
def test_a_point_to_start_with_that_the_space_does_not_hold_is_refused(point, sentence):
    with pytest.raises(SettingsError, match=f"search.start_with.*{sentence}"):
        check_space(make_settings(start_with=(point,)))


@pytest.mark.parametrize("name", ["train.no_such_setting", "nowhere.lora_rank", "lora_rank"])
def test_a_search_space_over_what_is_no_setting_is_refused(name, tmp_path):
    with pytest.raises(SettingsError, match=f"search.space names {name}, which is not a setting"):
        begin_study(make_settings(space={name: Choices(choices=(1, 2))}), tmp_path)


def test_every_report_is_kept_as_it_comes_in(study, tmp_path):
    run_trial(study, [0.1, 0.4], ends=False)
    (running,) = list_unfinished(load_study(tmp_path))
    assert running.intermediate_values == {1: 0.1, 2: 0.4}
    assert running.user_attrs["checkpoint"] == "a/step_2"


def test_a_trial_ends_with_its_best_kappa_and_that_checkpoint(study):
    run_trial(study, [0.1, 0.4, 0.3])
    (row,) = summarise_study(study, N_REPORTS).trials
    assert (row.kappa, row.checkpoint, row.reports, row.stopped_early) == (0.4, "a/step_2", 3, False)
    assert row.curve == [[1, 0.1], [2, 0.4], [3, 0.3]]


def test_a_report_that_is_told_twice_counts_once(study):
    trial = run_trial(study, [0.4], ends=False)
    note_report(trial, {"kappa": 0.9, "reports": 1, "checkpoint_path": "elsewhere"})
    end_trial(study, trial)
    (row,) = summarise_study(study, N_REPORTS).trials
    assert (row.curve, row.checkpoint) == ([[1, 0.4]], "a/step_1")


def test_of_equal_checkpoints_the_later_is_the_one_that_ray_keeps(study):
    run_trial(study, [0.4, 0.4, 0.3])
    assert summarise_study(study, N_REPORTS).best.checkpoint == "a/step_2"


def test_fewer_reports_than_the_others_mean_stopped_early(study):
    run_trial(study, [0.1])
    assert summarise_study(study, N_REPORTS).trials[0].stopped_early


def test_failed_trials_keep_their_reason(study):
    run_trial(study, [0.2], error="train.batch_size = 7 is odd.")
    run_trial(study, [])
    run_trial(study, [math.nan])
    rows = summarise_study(study, N_REPORTS).trials
    assert all(row.failed for row in rows)
    assert [row.error for row in rows] == ["train.batch_size = 7 is odd.", *["it ended without a report"] * 2]


def test_an_interrupted_trial_goes_on_under_its_own_number_and_values(study, tmp_path):
    run_trial(study, [0.2, 0.3, 0.1])
    values = run_trial(study, [0.1], ends=False).params
    again = reopen_study(make_settings(n_trials=9), tmp_path)
    assert count_finished(again) == 1
    (running,) = list_unfinished(again)
    taken = take_up(again, running)
    assert (taken.number, taken.params) == (1, values)
    note_report(taken, {"kappa": 0.5, "reports": 2, "checkpoint_path": "step_2"})
    end_trial(again, taken)
    assert [row.kappa for row in summarise_study(again, N_REPORTS).trials] == [0.3, 0.5]
    assert list_unfinished(again) == []


def test_a_folder_that_was_renamed_is_gone_on_with(tmp_path):
    (tmp_path / "before").mkdir()
    begin_study(make_settings(), tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    assert reopen_study(make_settings(), tmp_path / "after").study_name == "before"


def test_a_search_does_not_go_on_under_other_settings(study, tmp_path):
    changed = make_settings().model_copy(update={"train": Settings().train.model_copy(update={"passes": 9})})
    with pytest.raises(SettingsError, match=r"began with other settings: train.lora_rank, train.passes\. Give those"):
        reopen_study(changed, tmp_path)


def test_a_folder_without_a_search_is_not_gone_on_with(tmp_path):
    with pytest.raises(RunFolderError, match=r"holds no search to go on with: looked for study\.log"):
        reopen_study(make_settings(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_best_trial_is_the_one_with_the_highest_kappa():
    assert Search([trial(0, math.nan, "lost"), trial(1, 0.2), trial(2, 0.7), trial(3, 0.5)]).best.number == 2


def test_a_search_without_an_ended_trial_tells_the_first_reason():
    with pytest.raises(SomnolensError, match=r"Not one of 2 trials ended. The first: lost"):
        _ = Search([trial(0, math.nan, "lost"), trial(1, math.nan, "late")]).best


def test_the_command_of_a_trial_gives_exactly_its_settings_back():
    settings = read_settings(overrides=["model.base=my models/base", "train.gradient_checkpointing=true"])
    values = {"train.learning_rate": 0.001234567890123, "train.lora_rank": 8}
    words = shlex.split(format_command(settings, values, Path("my data"), Path("runs/again")))
    assert words[:4] == ["python", "jobs/train_adapter.py", "my data", "runs/again"]
    assert words[4::2] == ["--set"] * 4
    again = read_settings(overrides=words[5::2])
    assert again == place_values(settings.model_dump(mode="json"), values)


def test_the_command_leaves_the_search_out():
    command = format_command(make_settings(n_trials=9), {}, Path("data"), Path("run"))
    assert command == "python jobs/train_adapter.py data run --set train.lora_rank=4"


def test_the_values_of_a_trial_are_put_in_their_places():
    placed = place_values(Settings().model_dump(mode="json"), {"train.lora_rank": 4, "render.stroke_px": 1.0})
    assert (placed.train.lora_rank, placed.render.stroke_px) == (4, 1.0)
    assert placed.train.passes == Settings().train.passes


@pytest.mark.parametrize(
    ("value", "domain", "inside"),
    [
        (8, Choices(choices=(8, 16)), True),
        (4, Choices(choices=(8, 16)), False),
        (0.1, Range(low=0.1, high=1), True),
        (2, Range(low=0.1, high=1), False),
        ("much", Range(low=0.1, high=1), False),
    ],
)
def test_settings_outside_the_space_are_no_first_trial(value, domain, inside):
    assert is_inside(value, domain) == inside


def test_the_table_of_trials_is_read_back(tmp_path):
    write_trials(Search([trial(0, 0.5)]), tmp_path)
    assert read_trials(tmp_path) == [trial(0, 0.5)]
    assert json.loads((tmp_path / "trials.json").read_text())[0]["kappa"] == 0.5


def fill(study: optuna.Study, n: int, kappa=lambda values: 0.0) -> None:
    for _ in range(n):
        one = study.ask(DISTRIBUTIONS)
        note_report(one, {"kappa": kappa(one.params), "reports": 1, "checkpoint_path": "step_1"})
        end_trial(study, one)


def test_the_setting_that_made_the_difference_is_found(study):
    fill(study, 30, lambda values: 0.1 * values["train.lora_rank"])
    shares = measure_importance(study)
    assert next(iter(shares)) == "train.lora_rank"
    assert shares["train.lora_rank"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)


def test_three_trials_do_not_tell_what_matters(study):
    fill(study, 3, lambda values: values["train.learning_rate"])
    with pytest.raises(SomnolensError, match=r"3 finished trial\(s\) do not tell which setting matters; it takes 4"):
        measure_importance(study)


def test_trials_of_one_kappa_do_not_tell_what_matters(study):
    fill(study, 5)
    with pytest.raises(SomnolensError, match="all had the same kappa"):
        measure_importance(study)


def test_a_space_of_one_value_does_not_tell_what_matters(tmp_path):
    settings = make_settings(space={"train.lora_rank": Choices(choices=(4,))})
    study = begin_study(settings, tmp_path)
    for number in range(5):
        one = study.ask({"train.lora_rank": optuna.distributions.CategoricalDistribution((4,))})
        note_report(one, {"kappa": number / 10, "reports": 1, "checkpoint_path": "step_1"})
        end_trial(study, one)
    with pytest.raises(SomnolensError, match="all had the same values"):
        measure_importance(study)


def test_a_study_of_kappa_and_cost_keeps_both_and_the_kappa_of_each_report(study_of_two):
    for kappas, gflop in (([0.2, 0.5], 3.0), ([0.4], 1.0), ([0.3], 2.0)):
        end_trial(study_of_two, run_trial(study_of_two, kappas, ends=False), gflop=gflop)
    run_trial(study_of_two, [], error="lost")
    found = summarise_study(study_of_two, N_REPORTS)
    assert [(one.kappa, one.gflop) for one in found.trials[:3]] == [(0.5, 3.0), (0.4, 1.0), (0.3, 2.0)]
    assert found.trials[0].curve == [[1, 0.2], [2, 0.5]]
    assert (found.trials[3].failed, found.trials[3].gflop) == (True, None)
    assert [one.number for one in found.front] == [1, 0]
    assert found.best.number == 0
    assert [one.number for one in study_of_two.best_trials] == [0, 1]


def test_a_report_of_a_trial_of_two_objectives_counts_once(study_of_two):
    trial = run_trial(study_of_two, [0.2, 0.5], ends=False)
    note_report(trial, {"kappa": 0.9, "reports": 2, "checkpoint_path": "/runs/a/step_2"})
    assert read_curve(study_of_two.get_trials()[0]) == {1: 0.2, 2: 0.5}


def test_what_matters_for_kappa_is_told_of_two_objectives_too(study_of_two):
    for kappa in (0.1, 0.2, 0.4, 0.3, 0.6):
        end_trial(study_of_two, run_trial(study_of_two, [kappa], ends=False), gflop=1.0)
    assert sum(measure_importance(study_of_two).values()) == pytest.approx(1)


def test_another_preset_brings_its_own_style_and_leaves_what_was_changed():
    plain = read_settings(overrides=["render.grid=false"]).model_dump(mode="json")
    placed = place_values(plain, {"render.preset": "wide-896", "render.ink": "monochrome"}).render
    assert (placed.width_px, placed.height_px, placed.grid, placed.ink) == (896, 448, False, "monochrome")


def test_scoring_costs_what_the_picture_costs_and_lora_nothing():
    price = Price(make_settings(objectives="kappa and cost"))
    usual = price.measure({"train.lora_rank": 2})
    assert price.measure({"train.lora_rank": 8}) == usual
    assert price.measure({"render.preset": "wide-896"}) > 1.5 * usual
    assert Price(make_settings()).measure({"train.lora_rank": 2}) is None
