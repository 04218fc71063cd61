"""Systems that look at pictures: the same answers by whichever way."""

import numpy as np
import pytest

from somnolens.evaluate.peers.looking import Glance, VisionHead, VisionLanguageModel, draw, load_zero_shot
from somnolens.score.engine import load_engine
from somnolens.score.night import score_epochs
from tests.evaluate.toy_nights import make_night, make_nights


@pytest.fixture(scope="module")
def engine(adapter_folder):
    return load_engine(adapter_folder)


@pytest.fixture(scope="module")
def shown():
    return make_night(1, n_epochs=4).read()


def test_the_adapter_says_what_scoring_a_recording_says(engine, shown):
    alone = VisionLanguageModel("ours", engine).stage(shown)
    scored = score_epochs(shown.prepare(engine.style.prepare), engine)
    assert np.allclose(engine.read_night(alone), scored.hypnogram.probabilities)


def test_the_base_model_without_adapter_says_something_else(engine, shown):
    zero_shot = load_zero_shot(engine.card.resolved, engine.style)
    assert not np.allclose(zero_shot.stage(shown), VisionLanguageModel("ours", engine).stage(shown), atol=1e-3)


def test_a_glance_says_the_same_and_looks_once(engine, shown):
    ours = VisionLanguageModel("ours", engine)
    direct = ours.stage(shown)
    looked = []

    def see(pictures):
        looked.append(len(pictures))
        return engine.looker.see(pictures)

    ours.glance = Glance(see, {"ours": ours.read}, batch_size=3)
    assert np.allclose(ours.stage(shown), direct, atol=1e-5)
    assert np.allclose(ours.stage(shown.corrupt(shown.recording)), direct, atol=1e-5)
    assert looked == [3, 1]


def test_pictures_are_drawn_once_for_all_that_ask(engine, shown):
    assert draw(shown, engine.style) is draw(shown, engine.style)
    assert draw(shown.corrupt(shown.recording), engine.style) is not draw(shown, engine.style)


def test_the_vision_head_learns_from_frozen_features(engine):
    nights = make_nights(n_training=2, n_test=1, n_epochs=15)
    looker = load_zero_shot(engine.card.resolved, engine.style).engine.looker
    before = {name: weights.clone() for name, weights in looker.named_parameters()}
    head = VisionHead(looker, engine.style, hide_share=0.25, gain_range=1.2)
    head.fit(nights.training, nights.validation)
    shown = nights.test[0].read()
    direct = head.stage(shown)
    scored = nights.test[0].codes >= 0
    assert (direct.argmax(1) == nights.test[0].codes)[scored].mean() > 0.5
    head.glance = Glance(looker.see, {head.name: head.read})
    assert np.allclose(head.stage(shown), direct, atol=1e-5)
    assert all((weights == before[name]).all() for name, weights in looker.named_parameters())
    assert head.n_parameters < sum(weights.numel() for weights in looker.parameters())
