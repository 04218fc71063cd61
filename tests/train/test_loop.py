"""The training loop: it learns, repeats itself, and goes on where it stopped."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from somnolens.config import TrainSettings
from somnolens.train.loop import Crew, _Run, measure_stages, run_training, score_rows


def train(looker, rows, settings: TrainSettings, folder=None, stop_at=None, resume=None):
    """Run and return the reports; save each to a folder, and stop after one of them where asked."""
    reports = []

    def report(figures, save):
        reports.append(figures)
        if folder is not None:
            target = folder / f"step_{figures['step']}"
            target.mkdir(parents=True)
            save(target)
        if figures["step"] == stop_at:
            raise KeyboardInterrupt

    try:
        run_training(looker, rows, rows, settings, report, resume=resume)
    except KeyboardInterrupt:
        assert stop_at is not None
    return reports


def weights_of(looker) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in looker.named_parameters() if p.requires_grad}


def test_training_lowers_the_loss(make_looker, seen_rows, settings):
    longer = settings.train.model_copy(update={"passes": 4})
    reports = train(make_looker(), seen_rows, longer)
    assert reports[-1]["loss"] < 0.7 * reports[0]["loss"]


def test_the_same_seed_gives_the_same_weights(make_looker, seen_rows, settings):
    lookers = [make_looker(), make_looker()]
    for looker in lookers:
        train(looker, seen_rows, settings.train)
    first, second = map(weights_of, lookers)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_batch_in_parts_takes_the_steps_of_a_whole_one(make_looker, seen_rows, settings):
    whole, parts = make_looker(), make_looker()
    train(whole, seen_rows, settings.train)
    train(parts, seen_rows, settings.train.model_copy(update={"rows_at_once": 3}))
    expected, got = weights_of(whole), weights_of(parts)
    assert any(weights.abs().max() > 0 for name, weights in got.items() if "lora_B" in name)
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=2e-4)


def test_lanes_take_the_steps_of_one_pass_and_the_same_ones_each_time(make_looker, seen_rows, settings, two_threads):
    one, *two = make_looker(), make_looker(), make_looker()
    for looker in two:
        train(looker, seen_rows, settings.train)
    torch.set_num_threads(1)
    train(one, seen_rows, settings.train)
    expected, got, again = map(weights_of, (one, *two))
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=2e-4)
        assert torch.equal(again[name], got[name])


def test_soft_labels_are_learnt_unless_told_otherwise(make_looker, seen_rows, settings):
    even = replace(seen_rows, soft_labels=np.full((len(seen_rows), 5), 0.2))
    longer = settings.train.model_copy(update={"passes": 4})
    unsure, sure = make_looker(), make_looker()
    train(unsure, even, longer)
    train(sure, even, longer.model_copy(update={"soft_labels": False}))
    places = np.arange(len(even))
    assert score_rows(unsure, even, places).max() < 0.5 < score_rows(sure, even, places).max()


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(make_looker, seen_rows, settings, tmp_path):
    whole, stopped, resumed = make_looker(), make_looker(), make_looker()
    train(whole, seen_rows, settings.train)
    reports = train(stopped, seen_rows, settings.train, tmp_path, stop_at=3)
    assert [r["step"] for r in reports] == [3]
    rest = train(resumed, seen_rows, settings.train, resume=tmp_path / "step_3")
    assert [r["step"] for r in rest] == [6]
    expected, got = weights_of(whole), weights_of(resumed)
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=0)


def test_a_finished_run_has_nothing_left_to_do(make_looker, seen_rows, settings, tmp_path):
    train(make_looker(), seen_rows, settings.train, tmp_path)
    assert train(make_looker(), seen_rows, settings.train, resume=tmp_path / "step_6") == []


def test_the_parts_of_two_workers_make_the_gradient_of_one(make_looker, rows, settings):
    """What distributed data parallel averages is what a single process computes."""
    looker, places = make_looker(), np.arange(8)
    for name, p in looker.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.02, generator=torch.Generator().manual_seed(1))
    codes = torch.from_numpy(rows.codes)

    def gradient(part):
        looker.zero_grad()
        logits = looker(rows.take(part))
        torch.nn.functional.cross_entropy(logits, codes[part]).backward()
        return torch.cat([p.grad.flatten() for p in looker.parameters() if p.requires_grad])

    halves = (gradient(places[0::2]) + gradient(places[1::2])) / 2
    torch.testing.assert_close(halves, gradient(places), atol=1e-5, rtol=1e-3)


def test_scoring_rows_gives_probabilities(make_looker, rows):
    probabilities = score_rows(make_looker(), rows, np.arange(5))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_figures_are_those_worked_out_by_hand():
    truth, named = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    figures = measure_stages(truth, named, 5)
    assert figures["accuracy"] == 0.75
    assert figures["kappa"] == pytest.approx(0.5)
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 5)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{}, {"sampling": "balanced"}])
def test_reading_ahead_changes_no_weight(make_looker, rows, settings, change):
    """Pictures this time; what is compared with reads nothing ahead."""
    lookers = [make_looker(), make_looker()]
    for looker, n_ahead in zip(lookers, (0, 3), strict=True):
        train(looker, rows, settings.train.model_copy(update={**change, "passes": 1, "read_ahead": n_ahead}))
    first, second = map(weights_of, lookers)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_shares_that_are_not_equal_make_the_gradient_of_the_whole_batch(make_looker, rows, settings):
    """Three processes take 3, 3 and 2 rows of 8, in as many passes each; their mean is what one process has."""
    places = np.arange(8)
    gradients = []
    for rank, n in [(0, 1), (0, 3), (1, 3), (2, 3)]:
        one = make_run(make_looker(), rows, settings.train.model_copy(update={"rows_at_once": 2}), Crew(rank, n))
        share = places[rank::n]
        parts = one._share_out(share)
        assert len(parts) == (4 if n == 1 else 2)
        for part in parts:
            one._add_gradient(part, rows.take(part), last=True)
        gradients.append(torch.cat([weight.grad.flatten() for weight in one.trained]))
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(sum(gradients[1:]) / 3, gradients[0], atol=1e-5, rtol=1e-3)


def make_run(looker, rows, settings, crew):
    return _Run(looker, rows, settings, crew, lambda module: module, None)
