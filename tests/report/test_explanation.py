"""An explanation as a figure, as a file and as words."""

import json

import numpy as np
import pytest
from PIL import Image

from somnolens.aasm import STAGES
from somnolens.errors import SettingsError
from somnolens.explain.epoch import explain_epochs, parse_epochs
from somnolens.explain.faithfulness import Curves, MethodFigures
from somnolens.explain.intervals import Interval
from somnolens.explain.modalities import MODALITIES, Loss, ModalityReport
from somnolens.explain.night import explain_night
from somnolens.report.explain_plots import HEAT, draw_faithfulness, draw_modalities, shade_picture
from somnolens.report.explanation import tell_explanation, write_explanation
from somnolens.report.palette import AGAINST, FOR
from somnolens.score.engine import load_engine
from somnolens.score.night import score_epochs
from tests.plain_nights import make_plain_night


@pytest.fixture(scope="module")
def explanation(adapter_folder):
    epochs = make_plain_night(3).add_spindle(33).add_slow_waves(40, 8, 130.0).add_rapid_movement(56).cut()
    engine = load_engine(adapter_folder)
    scored = score_epochs(epochs, engine)
    evidence = explain_night(epochs, scored.hypnogram)
    (one,) = explain_epochs(epochs, scored, evidence, engine, [1], "attention", "N3")
    return one


def test_a_figure_and_a_json_are_written(explanation, tmp_path):
    path = write_explanation(explanation, tmp_path)
    assert path.name == "plain-1-attention.png"
    with Image.open(path) as figure:
        assert figure.width == 1600
    document = json.loads(path.with_suffix(".json").read_text())
    assert document["stage"] == explanation.evidence.stage
    assert document["heat"]["stage"] == "N3"
    assert np.shape(document["heat"]["values"]) == (7, 14)
    assert len(document["evidence"]["measured"]["spindles"]) == 1
    assert sum(document["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_the_words_hold_the_stage_the_verdict_the_reasons_and_the_strongest_cells(explanation):
    lines = list(tell_explanation(explanation))
    assert lines[0].startswith(f"Epoch 1: {explanation.evidence.stage} (")
    assert [line.strip() for line in lines[2:-1]] == explanation.reasons
    assert lines[-1].startswith("  Most looked at by attention rollout: ")


def test_heat_colours_the_paper_and_leaves_the_ink_to_be_seen(explanation):
    shaded = shade_picture(explanation)
    plain = explanation.style.palette[explanation.picture] / 255
    assert np.all(shaded <= plain + 1e-9)
    assert np.any(shaded < plain - 0.1)


def test_for_and_against_differ_in_lightness_too():
    lightness = [np.dot(HEAT(end)[:3], (0.2126, 0.7152, 0.0722)) for end in (0.0, 0.5, 1.0)]
    assert lightness[0] + 0.2 < lightness[2] < lightness[1]
    assert FOR != AGAINST


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("3-x", "'3-x' is no epoch. Write numbers and ranges"),
        ("12", "the night has epochs 0 to 9, and 12 is none of them"),
        ("7-5", "a range must rise"),
        ("", "is no epoch"),
    ],
)
def test_epochs_that_cannot_be_meant_are_refused(text, sentence):
    with pytest.raises(SettingsError, match=sentence):
        parse_epochs(text, 10)


def test_a_line_is_drawn_for_each_method_and_named_beside_the_curves_best_first():
    def figures_of(method, area):
        curve = np.array([1.0, area, 0.0])
        interval = Interval(area, area, area)
        return MethodFigures(method, interval, interval, interval, None, Curves(curve, curve[::-1]))

    figure = draw_faithfulness([figures_of("signal", 0.2), figures_of("patches", 0.6), figures_of("random order", 0.5)])
    above, below = figure.axes
    names = [[text.get_text()[6:] for text in axes.texts[1:]] for axes in (above, below)]
    best_first = ["occlusion of the signal", "random order", "ablation of 14-pixel patches"]
    assert names == [best_first, best_first[::-1]]


def test_bars_of_modalities_are_as_high_as_what_is_lost():
    losses = {
        modality: {stage: Loss(Interval(0.1 * (place + 1), 0, 1), Interval(0, 0, 0)) for stage in STAGES}
        for place, modality in enumerate(MODALITIES)
    }
    (axes,) = draw_modalities(ModalityReport(losses, {}, {}, dict.fromkeys(STAGES, 7), 3)).axes
    heights = sorted({round(bar.get_height(), 3) for bar in axes.patches})
    assert heights == [0.1, 0.2, 0.3]
    assert len(axes.patches) == 15
