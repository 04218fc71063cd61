"""Plots and tables of an evaluation: what is drawn is what was measured."""

import csv

import numpy as np
import pytest
from rich.console import Console

from somnolens.evaluate.agreement import Agreement
from somnolens.evaluate.crossing import Cell, lay_out, list_cells
from somnolens.evaluate.evaluation import Evaluation
from somnolens.evaluate.intervals import bound_measures
from somnolens.evaluate.summary import Summary, summarise
from somnolens.report.canvas import render_png
from somnolens.report.evaluation_plots import (
    draw_bland_altman,
    draw_calibration,
    draw_matrix,
    draw_scorers,
    draw_slices,
)
from somnolens.report.evaluation_tables import format_summary, write_tables
from tests.evaluate.nights import hypnogram, make_night


def draw_scored_nights(n: int, seed: int = 0) -> Evaluation:
    """Nights with probabilities and three scorers."""
    rng, nights = np.random.default_rng(seed), []
    for number in range(n):
        truth = np.repeat(rng.integers(0, 5, 40), rng.integers(1, 9, 40))
        said = 0.35 * np.eye(5)[truth] + 0.65 * rng.dirichlet(np.full(5, 0.3), len(truth))
        people = tuple(
            hypnogram(np.where(rng.random(len(truth)) < 0.85, truth, rng.integers(0, 5, len(truth))), name)
            for name in ("anna", "boris", "chen")
        )
        nights.append(make_night(truth, said.argmax(1), f"night {number}", said, scorers=people))
    return Evaluation(nights)


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(draw_scored_nights(6))


def test_slices_are_drawn_with_their_intervals(summary):
    figure = draw_slices(summary.slices, summary.intervals["kappa"])
    lines = [line.get_xdata() for line in figure.axes[0].lines]
    drawn = {(round(float(x[0]), 9), round(float(x[1]), 9)) for x in lines if len(x) == 2 and x[0] != x[1]}
    kappas = [one.intervals["kappa"] for one in summary.slices]
    assert drawn >= {(round(one.low, 9), round(one.high, 9)) for one in kappas if not np.isnan(one.low)}
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [one.part for one in summary.slices]


def test_bars_of_reliability_are_as_high_as_the_share_of_right_answers(summary):
    figure = draw_calibration(summary.confidence, summary.calibration, summary.review, 6)
    reliability, risk, review = figure.axes
    filled = [one for one in summary.calibration.bins if one.n_epochs]
    assert [bar.get_height() for bar in reliability.patches] == pytest.approx([one.accuracy for one in filled])
    assert risk.lines[0].get_ydata()[-1] == pytest.approx(1 - summary.calibration.accuracy)
    assert review.lines[0].get_ydata()[0] == pytest.approx(summary.calibration.accuracy)


def test_each_total_has_a_panel_with_its_bias(summary):
    figure = draw_bland_altman(summary.totals)
    for axes, one in zip(figure.axes, summary.totals, strict=True):
        heights = [float(np.asarray(line.get_ydata())[0]) for line in axes.lines[:2]]
        assert heights == pytest.approx([0, one.bias.value])


def test_humans_are_drawn_with_the_system_beside_them(summary):
    figure = draw_scorers(summary.scorers)
    drawn = {float(line.get_xdata()[0]) for line in figure.axes[0].lines if line.get_marker() == "o"}
    assert drawn == {one.human.kappa for one in summary.scorers.humans}


def make_cell(row: str, column: str, n_right: int, is_new: bool = False) -> Cell:
    matrix = np.zeros((5, 6), dtype=int)
    matrix[0, 0], matrix[2, 2], matrix[2, 3] = n_right, n_right, 20 - n_right
    return Cell(row, column, is_new, Agreement(matrix), bound_measures(np.stack([matrix] * 3)), 3, 3)


def test_a_matrix_has_a_frame_where_the_adapter_was_new():
    cells = [make_cell(row, column, 15, row == column) for row in "ab" for column in "abc"]
    figure = draw_matrix(cells, "Adapters by datasets")
    framed = [patch.get_xy() for patch in figure.axes[0].patches if patch.get_linewidth()]
    assert [(round(x + 0.47), round(y + 0.45)) for x, y in framed] == [(0, 0), (1, 1)]


def test_a_matrix_keeps_its_order_and_leaves_holes_open():
    rows, columns, values = lay_out([make_cell("b", "y", 15), make_cell("a", "x", 15)])
    assert (rows, columns) == (["b", "a"], ["y", "x"])
    assert np.isnan(values[0][1].value)
    assert render_png(draw_matrix([make_cell("b", "y", 15), make_cell("a", "x", 15)], "holes"))[:4] == b"\x89PNG"
    assert list_cells([make_cell("a", "x", 20)])[0]["accuracy"] == 1.0


def test_the_terminal_shows_values_with_intervals_and_says_how_many_subjects(summary):
    console = Console(width=120, force_terminal=False)
    with console.capture() as capture:
        for table in format_summary(summary, "Measures"):
            console.print(table)
    said = capture.get()
    kappa = summary.intervals["kappa"]
    assert f"{kappa.low:.3f} to {kappa.high:.3f}" in said
    assert "by resampling 6 subjects. With fewer than 10 they are too narrow" in " ".join(said.split())
    assert f"The system is number {summary.scorers.rank} of 4" in said
    assert "limits of agreement" in said
    assert f"ECE {summary.calibration.ece:.3f}" in said


def test_every_table_is_written_and_can_be_read(summary, tmp_path):
    write_tables(summary, tmp_path)
    names = ("nights", "slices", "totals", "bland_altman", "calibration", "effort", "review", "scorers")
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv" for name in names}
    tables = {name: list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines())) for name in names}
    assert [row["night"] for row in tables["nights"]] == [night.night for night in summary.evaluation.nights]
    assert len(tables["calibration"]) == 15
    assert all("nan" not in row.values() for rows in tables.values() for row in rows)
    first = tables["review"][0]
    assert first["scorer"] in ("W", "N1", "N2", "N3", "R")
    assert "in doubt" in first["reason"]
