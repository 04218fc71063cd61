"""Several scorers: consensus and soft labels, worked out by hand and on the real scorings of DOD."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.aasm import STAGES, UNSCORED
from somnolens.errors import MismatchedHypnogramError
from somnolens.hypnogram import Hypnogram
from somnolens.read.code_lists import read_code_json
from somnolens.read.cohorts.dod_h import STAGES as DOD_STAGES
from somnolens.read.scorers import find_consensus, measure_soft_agreement, merge_scorers, share_votes

CODES = st.lists(st.lists(st.integers(-1, 4), min_size=6, max_size=6), min_size=2, max_size=5).map(np.array)


def score(*stages: str, scorer: str = "x", start_s: float = 0.0, step_s: float = 30.0) -> Hypnogram:
    return Hypnogram(stages, scorer, start_s, step_s=step_s)


def read_dod(psg_folder, dataset: str) -> list[Hypnogram]:
    paths = sorted((psg_folder / "scorers" / dataset).glob("scorer_*/*.json"))
    assert len(paths) == 5
    return [Hypnogram(read_code_json(path, DOD_STAGES), scorer=path.parent.name) for path in paths]


def test_the_most_frequent_stage_is_the_consensus():
    merged = merge_scorers([score("W", "N1"), score("W", "N2"), score("N1", "N2")])
    assert (merged.stages, merged.scorer) == (("W", "N2"), "consensus of 3")


def test_a_tie_goes_to_the_scorer_who_agrees_most_with_the_others():
    """The third and fourth disagree with everybody in the first epochs, so the first two decide the last."""
    codes = np.array([[0, 0, 1, 2, 2], [0, 0, 1, 2, 2], [0, 0, 3, 3, 4], [0, 0, 4, 1, 4]])
    agreement = measure_soft_agreement(codes)
    assert agreement[0] == agreement[1] > max(agreement[2:])
    assert find_consensus(codes)[-1] == 2


def test_a_tie_goes_to_the_best_scorer_who_gave_a_tied_stage():
    codes = np.array([[0, 1, 2, 3, 0], [0, 1, 2, 3, 1], [0, 1, 2, 4, 1], [0, 1, 4, 3, 2], [0, 3, 2, 3, 2]])
    assert measure_soft_agreement(codes).argmax() != 2
    assert find_consensus(codes)[-1] == 1


def test_two_scorers_who_differ_leave_it_to_the_first_as_the_literature_does():
    merged = merge_scorers([score("W", "N1", "R"), score("W", "N2", "W")])
    assert merged.stages == ("W", "N1", "R")
    assert merged.probabilities[1].tolist() == [0, 0.5, 0.5, 0, 0]


def test_soft_agreement_by_hand():
    """Second epoch: of the others, two say N2 and one N1, so a scorer of N1 agrees by a half."""
    codes = np.array([[0, 1], [0, 2], [0, 2], [0, 1]])
    assert measure_soft_agreement(codes).tolist() == [0.75, 0.75, 0.75, 0.75]
    codes = np.array([[0, 1], [0, 2], [0, 2], [0, 2]])
    assert measure_soft_agreement(codes).tolist() == [0.5, 1.0, 1.0, 1.0]


def test_who_gave_no_stage_does_not_vote():
    merged = merge_scorers([score("W", UNSCORED), score("W", "N1"), score(UNSCORED, "N1"), score("N1", "N2")])
    assert merged.stages == ("W", "N1")
    np.testing.assert_allclose(merged.probabilities[0], [2 / 3, 1 / 3, 0, 0, 0])


def test_an_epoch_that_fewer_than_half_scored_is_unscored():
    merged = merge_scorers([score("W"), score(UNSCORED), score(UNSCORED)])
    assert merged.stages == (UNSCORED,)
    merged = merge_scorers([score("W"), score(UNSCORED)])
    assert merged.stages == ("W",)


def test_an_epoch_that_nobody_scored_has_a_uniform_row():
    assert merge_scorers([score(UNSCORED), score(UNSCORED)]).probabilities[0].tolist() == [0.2] * 5


def test_scorers_need_not_begin_and_end_together():
    merged = merge_scorers([score("W", "N1", start_s=30.0), score("W", "W", "N1", "N2")])
    assert (merged.start_s, merged.stages) == (0.0, ("W", "W", "N1", "N2"))


@pytest.mark.parametrize("other", [score("W", start_s=12.0), score("W", step_s=20.0)])
def test_scorers_on_two_grids_are_refused(other):
    with pytest.raises(MismatchedHypnogramError, match=r"The scorers' epochs are not on one grid: x at 0 s every 30 s"):
        merge_scorers([score("W"), other])


def test_one_scorer_is_left_as_he_is():
    only = score("W", "N1", scorer="anna")
    assert merge_scorers([only]) is only


@given(codes=CODES)
def test_the_consensus_is_a_stage_that_as_many_gave_as_any_other(codes):
    consensus, shares = find_consensus(codes), share_votes(codes)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for epoch, code in enumerate(consensus):
        n_voters = (codes[:, epoch] >= 0).sum()
        assert (code == -1) == (2 * n_voters < len(codes))
        assert code == -1 or shares[epoch, code] == shares[epoch].max()


@given(codes=CODES)
def test_with_no_ties_the_order_of_the_scorers_does_not_matter(codes):
    shares = share_votes(codes)
    is_clear = (shares == shares.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert (find_consensus(codes)[is_clear] == find_consensus(codes[::-1])[is_clear]).all()


@pytest.mark.parametrize("dataset", ["dodh", "dodo"])
def test_soft_agreement_on_real_scorings_is_that_of_a_plain_count(psg_folder, dataset):
    """The published definition, epoch by epoch, over the epochs that all five have scored."""
    codes = np.stack([one.codes() for one in read_dod(psg_folder, dataset)])
    codes = codes[:, (codes >= 0).all(axis=0)]
    for scorer, found in enumerate(measure_soft_agreement(codes)):
        values = []
        for epoch in codes.T:
            others = [*np.delete(epoch, scorer)]
            values.append(others.count(epoch[scorer]) / max(others.count(code) for code in range(5)))
        assert found == pytest.approx(np.mean(values))
        assert 0.6 < found < 1


@pytest.mark.parametrize("dataset", ["dodh", "dodo"])
def test_the_consensus_of_real_scorings_agrees_with_each_scorer_better_than_scorers_do(psg_folder, dataset):
    hypnograms = read_dod(psg_folder, dataset)
    merged = merge_scorers(hypnograms)
    codes = np.stack([one.codes() for one in hypnograms])
    with_consensus = np.mean([(one == merged.codes())[one >= 0].mean() for one in codes])
    between = np.mean([(a == b)[(a >= 0) & (b >= 0)].mean() for i, a in enumerate(codes) for b in codes[:i]])
    assert with_consensus > between + 0.03
    assert set(merged.stages) >= set(STAGES)
    assert "Consensus of 5 scorers" in merged.notes[0]


def test_counts_of_a_real_scorer_are_those_of_the_file(psg_folder):
    path = next((psg_folder / "scorers" / "dodh" / "scorer_1").glob("*.json"))
    codes = json.loads(path.read_text())
    counts = Hypnogram(read_code_json(path, DOD_STAGES)).counts()
    assert counts == {stage: codes.count(code) for code, stage in DOD_STAGES.items()}
    assert counts == {"W": 82, "N1": 37, "N2": 517, "N3": 85, "R": 211, "UNSCORED": 55}
