"""Perception: questions whose answers are on the picture, and no stage among them."""

import numpy as np
import pytest
import torch

from somnolens.aasm import STAGES
from somnolens.errors import BaseModelError
from somnolens.model.architecture import build_model, build_tokenizer
from somnolens.model.base import load_tokenizer
from somnolens.model.prompt import find_class_tokens
from somnolens.simulate.perception import (
    BANDS,
    N_SAMPLES,
    SAMPLING_RATE_HZ,
    make_puzzle,
    measure_amplitude,
    measure_frequency,
    measure_tall_share,
    measure_together,
)
from somnolens.train.perception import (
    PerceptionPlan,
    PuzzleStream,
    find_answers,
    index_words,
    practise_perception,
    pretrain_perception,
)

TIME_S = np.arange(N_SAMPLES) / SAMPLING_RATE_HZ


@pytest.mark.parametrize(("height_uv", "expected"), [(5, 0), (10, 2), (50, 6), (100, 8), (200, 9)])
def test_amplitude_is_the_class_of_the_swing(height_uv, expected):
    assert set(measure_amplitude(height_uv / 2 * np.sin(2 * np.pi * 5 * TIME_S))) == {expected}


@pytest.mark.parametrize(("frequency_hz", "expected"), [(0.5, 0), (2, 2), (4, 4), (10, 6), (13, 7), (18, 8)])
def test_frequency_is_the_class_of_the_rhythm(frequency_hz, expected):
    assert set(measure_frequency(np.sin(2 * np.pi * frequency_hz * TIME_S))) == {expected}


def test_a_wave_of_100_microvolts_in_a_fifth_of_the_seconds_is_two_tenths():
    signal = np.where(TIME_S < 6, 50 * np.sin(2 * np.pi * TIME_S), 0)
    assert measure_tall_share(signal) == 2


def test_together_knows_equal_opposite_and_unrelated():
    wave, other = np.sin(TIME_S), np.random.default_rng(0).normal(size=N_SAMPLES)
    assert measure_together(np.stack([wave, -wave, other, wave]))[0].tolist() == [2, 0, 1, 2]


def test_the_answers_stand_where_the_loss_looks_for_them():
    puzzle = make_puzzle(np.random.default_rng(1), n_questions=5)
    words = [word for question in puzzle.questions for word in str(question).split()]
    is_answer = find_answers(len(BANDS), len(words))
    answers = [str(answer) for question in puzzle.questions for answer in question.answers]
    assert [word for word, wanted in zip(words, is_answer, strict=True) if wanted] == answers


def test_no_question_names_a_stage():
    tokenizer = build_tokenizer()
    asked = set(index_words(tokenizer).values())
    spaced = {tokenizer(f" {stage}").input_ids[0] for stage in STAGES}
    assert not asked & (set(find_class_tokens(tokenizer)) | spaced)


def test_the_stream_repeats_itself_from_its_seed(style):
    words, plan = index_words(build_tokenizer()), PerceptionPlan(batch_size=2)
    pictures, tokens, _ = zip(*(next(iter(PuzzleStream(style, words, plan))) for _ in range(2)), strict=True)
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(tokens[0], tokens[1])


@pytest.mark.slow
def test_pretraining_lowers_the_loss_and_leaves_stage_tokens_alone(style):
    model, tokenizer = build_model(seed=0)
    stages = find_class_tokens(tokenizer)
    before = model.get_input_embeddings().weight[stages].clone()
    reports = []
    plan = PerceptionPlan(n_steps=4, stop_at=4, batch_size=2, warmup_steps=1, weight_decay=0.0)
    pretrain_perception(model, tokenizer, style, plan, reports.append, report_every=2)
    assert reports[-1]["loss"] < reports[0]["loss"]
    torch.testing.assert_close(model.get_input_embeddings().weight[stages], before)


def test_phase_one_changes_lora_alone_lowers_the_loss_and_leaves_the_looker_narrow(make_looker, settings, style):
    looker = make_looker()
    before = {name: weights.detach().clone() for name, weights in looker.named_parameters()}
    train = settings.train.model_copy(update={"phase_one_steps": 8, "batch_size": 2, "learning_rate": 5e-3})
    losses = practise_perception(looker, load_tokenizer(settings.model), style, train)
    assert len(losses) == 8
    assert np.mean(losses[-2:]) < losses[0]
    changed = {name for name, weights in looker.named_parameters() if not torch.equal(weights, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    assert not any(getattr(module, "works_everywhere", False) for module in looker.modules())


def test_questions_in_which_two_words_are_one_token_are_refused():
    with pytest.raises(BaseModelError, match=r"train\.phase_one_steps=0"):
        index_words(Deaf())


class Deaf:
    """A tokenizer to which every word is the same."""

    def __call__(self, text, **more):
        return self

    input_ids = (7,)
