"""Plots of a search: every trial is there, in its manner."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from somnolens.report.canvas import render_png
from somnolens.report.search import draw_front, draw_history, draw_importance
from somnolens.train.study import Search, Trial


def make_trial(number: int, *kappas: float, stopped: bool = False, error: str = "") -> Trial:
    curve = [[report, kappa] for report, kappa in enumerate(kappas, start=1)]
    best = math.nan if error or not kappas else max(kappas)
    return Trial(number, {"train.lora_rank": 8}, best, len(curve), stopped, error, curve=curve)


TRIALS = [
    make_trial(0, 0.3, 0.5),
    make_trial(1, error="lost"),
    make_trial(2, 0.4, stopped=True),
    make_trial(3, 0.6, 0.7),
]


def test_the_best_so_far_goes_on_past_failed_trials():
    axes = draw_history(TRIALS).axes[0]
    assert axes.get_lines()[0].get_ydata().tolist() == [0.5, 0.5, 0.5, 0.7]
    assert [text.get_text() for text in axes.texts] == ["0.700"]


def test_trials_stopped_early_are_hollow_and_failed_ones_crosses():
    axes = draw_history(TRIALS).axes[0]
    full, hollow = axes.collections
    assert np.asarray(full.get_offsets())[:, 0].tolist() == [0, 1, 3]  # the failed one has no height, so no dot
    assert hollow.get_offsets()[:, 0].tolist() == [2]
    assert to_hex(hollow.get_facecolors()[0]) == "#ffffff"
    assert axes.get_lines()[1].get_xdata().tolist() == [1]


def test_the_caption_counts_them():
    texts = [text.get_text() for text in draw_history(TRIALS).texts]
    assert texts == ["Validation kappa", "4 trials, 1 stopped early (hollow), 1 failed (cross)"]


def test_each_trial_has_its_curve_and_the_best_lies_on_top():
    lines = [line for line in draw_history(TRIALS).axes[1].get_lines() if line.get_linestyle() == "-"]
    curves = [line.get_ydata() for line in lines if line.get_linewidth() in (1.2, 1.8)]
    assert [list(curve) for curve in curves] == [[0.3, 0.5], [0.4], [0.6, 0.7]]
    assert lines[-1].get_zorder() > lines[0].get_zorder()


def test_trials_of_one_report_have_no_curves():
    assert len(draw_history([make_trial(0, 0.3), make_trial(1, 0.4)]).axes) == 1


@pytest.mark.parametrize("trials", [[], [make_trial(0, error="lost")], TRIALS])
def test_any_search_can_be_drawn(trials):
    render_png(draw_history(trials))


def test_the_setting_that_mattered_most_is_on_top():
    figure = draw_importance({"train.learning_rate": 0.7, "train.lora_rank": 0.297, "x": 0.003}, n_trials=12)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "train.lora_rank", "train.learning_rate"]
    assert [text.get_text() for text in axes.texts] == ["<1 %", "30 %", "70 %"]
    render_png(figure)


def test_the_front_joins_what_none_betters_for_less_and_leaves_the_failed_out():
    found = [(0.8, 9.0), (0.7, 2.0), (0.6, 3.0), (math.nan, None)]
    trials = [Trial(number, {}, kappa, 1, False, gflop=gflop) for number, (kappa, gflop) in enumerate(found)]
    figure = draw_front(Search(trials))
    others, front = figure.axes[0].collections
    assert others.get_offsets().tolist() == [[3.0, 0.6]]
    assert front.get_offsets().tolist() == [[2.0, 0.7], [9.0, 0.8]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["trial 1: 0.700", "trial 0: 0.800"]
