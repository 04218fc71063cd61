"""Tables and plots of a comparison."""

import csv

import pytest

from somnolens.evaluate.ablation import VARIANTS
from somnolens.report.canvas import render_png
from somnolens.report.comparison_plots import draw_ablation, draw_robustness, draw_systems
from somnolens.report.comparison_tables import (
    HEADINGS,
    format_ablation,
    format_losses,
    format_markdown,
    list_cells,
    list_metrics,
    tell_winner,
    write_csv,
)


def interval(value: float, reach: float = 0.05) -> dict:
    return {"value": value, "low": value - reach, "high": value + reach}


def make_row(system: str, kappa: float, ahead: float | None) -> dict:
    return {
        "system": system,
        "kappa": interval(kappa),
        "macro_f1": interval(kappa - 0.02),
        "balanced_accuracy": interval(kappa - 0.03),
        "accuracy": interval(kappa + 0.05),
        "f1": {stage: interval(kappa - 0.1) for stage in ("W", "N1", "N2", "N3", "R")},
        "ahead": None if ahead is None else interval(ahead, 0.02) | {"p": 0.004},
        "validation_kappa": kappa,
        "n_subjects": 3,
        "n_epochs": 1080,
        "training_s": 120.0,
        "scoring_s": 0.5,
        "memory_mb": 321.0,
        "n_parameters": 3_500_000,
        "chosen": {"pool": 7},
    }


ROWS = [make_row("ours + night", 0.81, None), make_row("boosting", 0.86, 0.05), make_row("YASA", 0.68, -0.13)]


def make_spoilt(system: str, corruption: str, severity: float, value: float) -> dict:
    return {
        "system": system,
        "corruption": corruption,
        "severity": severity,
        "unit": "dB",
        "part": "stretches",
        "balanced_accuracy": interval(value),
        "kappa": interval(value),
        "points_lost": interval(100 * (0.8 - value), 1),
    }


SPOILT = [
    make_spoilt(system, corruption, severity, value)
    for system in ("ours + night", "boosting")
    for corruption, severity, value in (("clean", 0, 0.8), ("channel lost", 0.7, 0.76), ("gain", 2.0, 0.7))
]


def test_the_table_has_the_best_first_and_a_cell_under_every_heading():
    cells = list_cells(ROWS)
    assert [row[0] for row in cells] == ["boosting", "ours + night", "YASA"]
    assert {len(row) for row in cells} == {len(HEADINGS)}
    assert cells[0][1] == "0.86 (0.81 to 0.91)"
    assert cells[0][8] == "+0.05 (+0.03 to +0.07), p 0.004"
    assert cells[1][8] == ""


def test_who_loses_is_told_so():
    assert tell_winner(ROWS, "ours + night").startswith(
        "On 1,080 epochs of 3 held-out subjects, ours + night loses against its strongest peer, boosting, by 0.05"
    )
    assert "wins against its strongest peer, YASA, by 0.13" in tell_winner([ROWS[0], ROWS[2]], "ours + night")


def test_points_lost_stand_by_corruption_and_system():
    lines = format_losses(SPOILT).splitlines()
    assert lines[2] == "| channel lost, 0.7 dB | 4.0 | 4.0 |"
    assert len(lines) == 4


def test_the_markdown_table_is_whole():
    lines = format_markdown(ROWS).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(ROWS)


def test_a_csv_has_a_column_for_each_end_of_an_interval(tmp_path):
    write_csv(ROWS, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as stream:
        read = list(csv.DictReader(stream))
    assert float(read[1]["f1.N1.low"]) == pytest.approx(0.71)
    assert read[0]["system"] == "ours + night"


def test_metrics_carry_the_bars_of_ours_alone():
    metrics = {row["name"]: row for row in list_metrics(ROWS, SPOILT, "ours + night", 12.5)}
    assert metrics["evaluate.kappa"]["value"] == 0.81
    assert metrics["evaluate.kappa_boosting"]["bar"] is None
    assert metrics["robust.channel_loss_points"] | {"unit": ""} == {
        "name": "robust.channel_loss_points",
        "value": 4.0,
        "unit": "",
        "higher_is_better": False,
        "bar": "<=6",
    }
    assert metrics["evaluate.minutes"]["value"] == 12.5


def test_plots_are_drawn_and_equal_rows_give_equal_bytes():
    ablated = [
        {"group": "", "variant": "as it is", "night": interval(0.8), "alone": interval(0.7), "ahead": None},
        {"group": "width", "variant": "896 px", "night": interval(0.82), "alone": interval(0.74), "ahead": None},
    ]
    for draw in (
        lambda: draw_systems(ROWS, "ours + night"),
        lambda: draw_robustness(SPOILT, "ours + night"),
        lambda: draw_ablation(ablated),
    ):
        assert render_png(draw()) == render_png(draw())


def test_no_name_of_a_choice_is_cut_off():
    row = {"group": "", "variant": "as it is", "night": interval(0.8), "alone": interval(0.7), "ahead": None}
    figure = draw_ablation([row] + [row | {"group": one.group, "variant": one.name} for one in VARIANTS])
    figure.draw_without_rendering()
    assert min(label.get_window_extent().x0 for label in figure.axes[0].get_yticklabels()) > 0


def test_the_ablation_is_a_row_for_each_choice():
    rows = [
        {"group": "", "variant": "as it is", "night": interval(0.8), "alone": interval(0.7), "ahead": None},
        {"group": "width", "variant": "896 px", "night": interval(0.82), "alone": interval(0.74)}
        | {"ahead": interval(0.02)},
    ]
    lines = format_ablation([row | {"training_s": 3.0} for row in rows]).splitlines()
    assert lines[3].startswith("| width: 896 px | 0.74 (0.69 to 0.79) | 0.82")
