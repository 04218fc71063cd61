"""Tables at the terminal say what was measured, in words and figures."""

import numpy as np
import pytest
from rich.console import Console

from somnolens.evaluate.agreement import measure_agreement
from somnolens.report.terminal import Step, format_agreement, format_steps


def show(table) -> str:
    console = Console(width=120, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_agreement_table_shows_counts_and_f1():
    text = show(format_agreement(measure_agreement(np.array([0, 0, 2]), np.array([0, 2, 2]))))
    rows = {words[1]: words[2:] for words in map(str.split, text.splitlines()) if words and words[0] == "■"}
    assert rows["W"] == ["1", "0", "1", "0", "0", "2", "0.667"]
    assert rows["R"] == ["0", "0", "0", "0", "0", "0", "-"]
    assert "accuracy 66.7 %" in text
    assert "none" not in text


def test_agreement_table_tells_of_missing_and_left_out_epochs():
    text = show(format_agreement(measure_agreement(np.array([0, 2, -1]), np.array([0, -1, 0]))))
    assert "none" in text
    assert "1 without a stage, counted as wrong" in text
    assert "1 left out, unscored in the truth" in text


def test_steps_table_shows_nights_per_minute_and_the_sum():
    steps = [Step("simulate", 30.0, 12, "runs/a/nights"), Step("serve", 15.5, output="runs/a/scored")]
    text = show(format_steps(steps))
    assert "24.0" in text
    assert "45.5" in text
    assert "runs/a/nights" in text


def test_nights_per_minute_have_no_value_without_nights():
    assert np.isnan(Step("serve", 15.5).nights_per_minute)
    assert Step("score", 30.0, 2).nights_per_minute == pytest.approx(4)
