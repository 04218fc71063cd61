"""Charts of the report: what is drawn lies where the stages are, and reads without colour."""

from datetime import datetime

import numpy as np
import pytest

from somnolens.hypnogram import Hypnogram
from somnolens.report.drawing import Box, Drawing, Letters, Stroke, render_svg
from somnolens.report.night_charts import LEFT_PX, RIGHT_PX, ROW_PX, draw_density, draw_place, draw_stages
from somnolens.report.plots import TOP_TO_BOTTOM
from somnolens.report.statistics import Statistic, Usual

NIGHT = Hypnogram(("W",) * 30 + ("N2",) * 60 + ("UNSCORED",) * 10 + ("R",) * 20)
WIDTH = LEFT_PX + 120 + RIGHT_PX
"""One pixel an epoch."""


def list_boxes(drawing: Drawing, fill: str) -> list[Box]:
    return [shape for shape in drawing.shapes if isinstance(shape, Box) and shape.fill == fill]


def test_a_stage_is_told_by_row_and_name():
    drawing = draw_stages(NIGHT, WIDTH)
    names = [shape for shape in drawing.shapes if isinstance(shape, Letters) and shape.text in TOP_TO_BOTTOM]
    assert [letters.text for letters in sorted(names, key=lambda letters: letters.y)] == list(TOP_TO_BOTTOM)
    for stage in ("W", "N2", "R"):
        (box,) = list_boxes(drawing, stage)
        assert box.y + box.height / 2 == (TOP_TO_BOTTOM.index(stage) + 0.5) * ROW_PX


def test_bars_begin_and_end_with_their_stages():
    (box,) = list_boxes(draw_stages(NIGHT, WIDTH), "N2")
    assert (box.x, box.width) == pytest.approx((LEFT_PX + 30, 60))


def test_rem_is_thicker_than_everything_else():
    drawing = draw_stages(NIGHT, WIDTH)
    heights = {stage: list_boxes(drawing, stage)[0].height for stage in ("W", "N2", "R")}
    assert heights["R"] > 1.5 * max(heights["W"], heights["N2"])


def test_epochs_without_a_stage_are_grey_over_all_rows_and_have_no_bar():
    (box,) = list_boxes(draw_stages(NIGHT, WIDTH), "unscored")
    assert (box.x, box.width, box.height) == pytest.approx((LEFT_PX + 90, 10, 5 * ROW_PX))


def test_the_strip_marks_exactly_the_epochs_that_differ():
    other = Hypnogram(("W",) * 30 + ("N2",) * 20 + ("N3",) * 5 + ("N2",) * 35 + ("UNSCORED",) * 10 + ("R",) * 20)
    drawing = draw_stages(NIGHT, WIDTH, other=other)
    (box,) = list_boxes(drawing, "ink")
    assert (box.x, box.width) == pytest.approx((LEFT_PX + 50, 5))
    assert any(isinstance(shape, Letters) and shape.text == "≠" for shape in drawing.shapes)


def test_density_rows_rise_with_the_probability():
    probabilities = np.tile([0.25, 0.0, 0.75, 0.0, 0.0], (4, 1))
    drawing = draw_density(Hypnogram(("N2",) * 4, probabilities=probabilities), WIDTH)
    curves = [s for s in drawing.shapes if isinstance(s, Stroke) and s.colour == "edge"]
    tops = [min(y for _, y in curve.points) for curve in curves]
    heights = dict(zip(TOP_TO_BOTTOM, (17.0 * (row + 1) - top for row, top in enumerate(tops)), strict=True))
    assert heights == pytest.approx({"W": 0.24 * 13, "R": 0, "N1": 0, "N2": 0.76 * 13, "N3": 0})


def test_time_is_that_of_the_clock():
    drawing = draw_stages(Hypnogram(("W",) * 480), 760, start=datetime(2001, 1, 1, 22, 40))
    told = [shape.text for shape in drawing.shapes if isinstance(shape, Letters) and ":" in shape.text]
    assert told == ["23:00", "23:30", "00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]


def test_a_narrow_chart_has_fewer_times_and_letters_of_the_same_size():
    wide, narrow = (draw_stages(Hypnogram(("W",) * 960), width) for width in (760, 358))
    sizes = [{s.size for s in one.shapes if isinstance(s, Letters)} for one in (wide, narrow)]
    times = [sum(s.text.endswith("h") for s in one.shapes if isinstance(s, Letters)) for one in (wide, narrow)]
    assert sizes[0] == sizes[1]
    assert times[1] < times[0]


def test_what_a_chart_shows_is_told_in_words():
    svg = render_svg(draw_stages(NIGHT, WIDTH, name='model <"x">'))
    assert 'role="img"' in svg
    assert "30 of W, 60 of N2, 20 of R, 10 of UNSCORED" in svg
    assert "model &lt;&quot;x&quot;&gt;: 120 epochs" in svg


@pytest.mark.parametrize(("value", "word"), [(5.0, "below"), (15.0, "within"), (30.0, "above")])
def test_the_mark_lies_where_the_value_does(value, word):
    drawing = draw_place(Statistic("N3", "%", "", (value,), (1.0,), Usual(10.0, 20.0, "x")))
    (band,) = list_boxes(drawing, "band")
    mark = next(s for s in drawing.shapes if isinstance(s, Stroke) and s.width > 1.5).points[0][0]
    assert drawing.description == word
    assert {"below": mark < band.x, "within": band.x <= mark <= band.x + band.width, "above": mark > band.x}[word]


def test_nothing_is_marked_where_nothing_is_usual():
    assert draw_place(Statistic("Time in bed", "min", "", (480.0,))) is None
    assert draw_place(Statistic("REM latency", "min", "", (np.nan,), usual=Usual(80.0, 100.0, "x"))) is None
