"""Known pictures: an adapter that is not what was trained is found out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from somnolens.errors import AdapterError
from somnolens.score.engine import Engine, load_engine
from somnolens.score.probe import check_answers, draw_known_pictures, record_answers


@pytest.fixture(scope="module")
def engine(adapter_folder) -> Engine:
    return load_engine(adapter_folder)


def with_answers(engine: Engine, **probe) -> Engine:
    return replace(engine, card=replace(engine.card, probe=probe))


def test_known_pictures_are_four_different_ones_and_always_the_same(engine):
    pictures = draw_known_pictures(engine.style)
    assert pictures.shape == (4, *engine.style.shape_px)
    assert len({picture.tobytes() for picture in pictures}) == 4
    np.testing.assert_array_equal(pictures, draw_known_pictures(engine.style))


def test_an_adapter_that_is_what_was_trained_passes(engine):
    assert "at most 0.0000 off" in check_answers(with_answers(engine, **record_answers(engine)))


def test_other_answers_than_recorded_are_refused(engine):
    recorded = np.array(record_answers(engine)["probabilities"])
    with pytest.raises(AdapterError, match="otherwise than when it was trained: a probability is"):
        check_answers(with_answers(engine, probabilities=recorded[:, ::-1].tolist()))
    with pytest.raises(AdapterError, match=r"is 1\.00 off"):
        check_answers(with_answers(engine, probabilities=recorded[:2].tolist()))


def test_an_older_adapter_is_held_to_what_any_must_do(engine):
    assert "no answers to hold them to" in check_answers(with_answers(engine))


@pytest.mark.parametrize(("scale", "sentence"), [(0.0, "the same answer whatever"), (float("nan"), "no probabilities")])
def test_an_older_adapter_that_sees_nothing_is_refused(adapter_folder, scale, sentence):
    broken = load_engine(adapter_folder)
    with torch.no_grad():
        for weights in broken.looker.parameters():
            weights.mul_(scale)
    with pytest.raises(AdapterError, match=sentence):
        check_answers(broken)
