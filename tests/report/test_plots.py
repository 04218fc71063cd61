"""Plots: the drawn lines are where the stages are."""

import struct
from datetime import datetime

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from somnolens.evaluate.agreement import measure_agreement
from somnolens.hypnogram import Hypnogram
from somnolens.report.canvas import render_png, write_figure
from somnolens.report.palette import STAGE_COLOURS
from somnolens.report.plots import TOP_TO_BOTTOM, draw_confusion, draw_night

STAGES = ("W",) * 60 + ("N1",) * 20 + ("N2",) * 80 + ("UNSCORED",) * 20 + ("R",) * 60


def make_night(scorer: str = "model") -> Hypnogram:
    codes = Hypnogram(STAGES).codes()
    probabilities = np.full((len(codes), 5), 0.05)
    probabilities[np.arange(len(codes)), np.maximum(codes, 0)] = 0.8
    return Hypnogram(STAGES, scorer=scorer, probabilities=probabilities)


def drawn_lines(axes) -> dict[str, tuple[list, float]]:
    """Begin, end and height in data units, and width, of the first line of each colour."""
    lines = {}
    for collection in (child for child in axes.collections if isinstance(child, LineCollection)):
        colours, widths = collection.get_colors(), collection.get_linewidths()
        for index, segment in enumerate(collection.get_segments()):
            colour = to_hex(colours[index % len(colours)])
            lines.setdefault(colour, (segment.tolist(), widths[index % len(widths)]))
    return lines


def tick_labels(axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def test_each_stage_lies_at_its_height_and_hours():
    lines = drawn_lines(draw_night(make_night()).axes[0])
    assert lines[STAGE_COLOURS["W"]][0] == [[0, 0], [0.5, 0]]
    (begin, end), _ = lines[STAGE_COLOURS["N2"]]
    assert (begin[0], end[0], begin[1]) == (pytest.approx(80 / 120), pytest.approx(160 / 120), -3)


def test_stages_are_ordered_as_in_the_manual():
    assert TOP_TO_BOTTOM == ("W", "R", "N1", "N2", "N3")


def test_rem_sleep_is_a_thicker_line():
    lines = drawn_lines(draw_night(make_night()).axes[0])
    assert lines[STAGE_COLOURS["R"]][1] > lines[STAGE_COLOURS["N2"]][1]


def test_panels_follow_what_is_known():
    plain = Hypnogram(STAGES)
    assert len(draw_night(plain).axes) == 1
    assert len(draw_night(make_night()).axes) == 2
    assert len(draw_night(make_night(), truth=plain).axes) == 3


def test_time_is_clock_time_if_the_start_is_known():
    figure = draw_night(make_night(), start=datetime(2024, 3, 1, 23, 20))
    assert tick_labels(figure.axes[-1]) == ["23:30", "23:45", "00:00", "00:15", "00:30", "00:45", "01:00", "01:15"]
    assert figure.axes[0].get_xlim() == figure.axes[-1].get_xlim() == (0, 2)


def test_time_is_counted_from_the_start_if_the_clock_is_unknown():
    assert tick_labels(draw_night(make_night()).axes[-1]) == [f"{minutes} min" for minutes in range(0, 121, 15)]
    assert tick_labels(draw_night(Hypnogram(("N2",) * 600)).axes[0]) == ["0 h", "1 h", "2 h", "3 h", "4 h", "5 h"]


def test_strip_marks_the_epochs_that_differ():
    changed = ("N2",) * 3 + STAGES[3:]
    figure = draw_night(make_night(), truth=Hypnogram(changed, scorer="expert"))
    marks = figure.axes[1].collections[-1]
    spans = [path.get_extents() for path in marks.get_paths()]
    assert [(round(span.x0 * 120), round(span.x1 * 120)) for span in spans] == [(0, 1), (1, 2), (2, 3)]


def test_strip_agrees_with_the_measured_agreement_where_starts_differ_by_a_fraction():
    truth = Hypnogram(STAGES, scorer="expert", start_s=60.6)
    figure = draw_night(Hypnogram(STAGES, start_s=60.2), truth=truth)
    marks = figure.axes[1].collections[-1]
    assert len(marks.get_paths()) == 0


def test_a_long_headline_does_not_run_into_the_caption():
    figure = draw_night(make_night(), Hypnogram(STAGES, scorer="expert"), title="a-very-long-name-of-a-night-" * 4)
    renderer = FigureCanvasAgg(figure).get_renderer()
    title, caption = (text.get_window_extent(renderer) for text in figure.texts)
    assert title.x1 < caption.x0


def test_night_png_is_1600_pixels_wide_and_the_same_twice(tmp_path):
    truth = Hypnogram(STAGES, scorer="expert")
    first, second = (render_png(draw_night(make_night(), truth, title="night")) for _ in range(2))
    assert first == second
    assert struct.unpack(">I", first[16:20])[0] == 1600
    write_figure(draw_night(make_night()), tmp_path / "night.png")
    assert (tmp_path / "night.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("stages", [(), ("UNSCORED",), ("N3",)])
def test_shortest_nights_can_be_drawn(stages):
    render_png(draw_night(Hypnogram(stages), truth=Hypnogram(stages)))


def drawn_texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_confusion_shows_row_percentages_and_counts():
    texts = drawn_texts(draw_confusion(measure_agreement(np.array([0, 0, 0, 0, 2]), np.array([0, 0, 0, 1, 2]))))
    assert {"75 %", "25 %", "100 %", "3", "1"} <= set(texts)
    assert "no stage" not in texts


def test_confusion_has_a_column_for_missing_predictions_only_when_there_are_any():
    assert "no stage" in drawn_texts(draw_confusion(measure_agreement(np.array([0, 2]), np.array([0, -1]))))


def test_confusion_of_nothing_can_be_drawn():
    render_png(draw_confusion(measure_agreement(np.array([], dtype=int), np.array([], dtype=int))))
