"""A system among several scorers: by hand, and on two real nights with five scorers each."""

import numpy as np
import pytest

from somnolens.aasm import UNSCORED
from somnolens.evaluate.evaluation import Evaluation, KnownNight, NightResult
from somnolens.evaluate.scorers import compare_scorers, list_humans, measure_densities
from somnolens.hypnogram import Hypnogram
from somnolens.read.code_lists import read_code_json
from somnolens.read.cohorts.dod_h import STAGES as DOD_STAGES
from somnolens.read.scorers import merge_scorers, share_votes
from tests.evaluate.nights import hypnogram, make_evaluation, make_night


def make_scored(scorers: list[list[int]], named: list[int], **more) -> NightResult:
    people = tuple(hypnogram(codes, scorer) for codes, scorer in zip(scorers, "abcde", strict=False))
    truth = merge_scorers(people).codes()
    return make_night(truth, named, scorers=people, **more)


def test_a_human_is_held_to_the_others_and_the_system_to_the_same():
    """Without a the others say 0 1 2, without b or c it is 0 1 1 and 0 1 4 by a, who then agrees most or first."""
    night = make_scored([[0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 4]], [0, 1, 4])
    found = compare_scorers(make_evaluation(night))
    assert [one.human.accuracy for one in found.humans] == pytest.approx([1, 1, 1, 2 / 3])
    assert [one.system.accuracy for one in found.humans] == pytest.approx([2 / 3] * 4)
    assert [one.direct.accuracy for one in found.humans] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1])
    assert (found.rank, found.n_ranked) == (4, 5)


def test_a_system_that_says_what_all_say_is_first():
    scorers = [[0, 1, 2, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert compare_scorers(make_evaluation(make_scored(scorers, [0, 1, 2, 3]))).rank == 1


def test_an_epoch_without_a_stage_counts_against_the_system():
    found = compare_scorers(make_evaluation(make_scored([[0, 1]] * 3, [0, -1])))
    assert (found.consensus.accuracy, found.consensus.n_invalid) == (0.5, 1)


def test_an_epoch_that_a_human_left_out_judges_neither():
    found = compare_scorers(make_evaluation(make_scored([[0, -1], [0, 1], [0, 1]], [0, 1])))
    assert [one.human.n_epochs for one in found.humans] == [one.system.n_epochs for one in found.humans] == [1, 2, 2]


def test_nights_with_one_scorer_are_not_compared():
    assert compare_scorers(make_evaluation(make_night([0], [0]))) is None


def test_hypnodensities_by_hand():
    """Half and half against certainty: mixture 3/4 and 1/4."""
    distance, similarity = measure_densities(np.array([[0.5, 0.5, 0, 0, 0]]), np.array([[1.0, 0, 0, 0, 0]]))
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert distance == pytest.approx(np.sqrt(entropy - 0.5))
    assert similarity == pytest.approx(np.sqrt(0.5))
    assert measure_densities(np.zeros((1, 5)), np.eye(5)[:1]) == (1.0, 0.0)


def test_a_system_that_gives_the_scorers_shares_is_closer_than_any_human():
    scorers = [[0, 1, 2, 2], [0, 2, 2, 3], [0, 1, 4, 3]]
    shares = share_votes(np.array(scorers))
    found = compare_scorers(make_evaluation(make_scored(scorers, shares.argmax(1).tolist(), probabilities=shares)))
    assert found.distance == pytest.approx(0)
    assert found.similarity == pytest.approx(1)
    assert found.human_distance > 0.2


def test_without_probabilities_there_is_no_hypnodensity():
    found = compare_scorers(make_evaluation(make_scored([[0, 1]] * 2, [0, 1]))).to_dict()
    assert found["hypnodensity_distance"] is None
    assert found["human_hypnodensity_distance"] == 0


def read_real(psg_folder, dataset: str) -> list[Hypnogram]:
    paths = sorted((psg_folder / "scorers" / dataset).glob("scorer_*/*.json"))
    return [Hypnogram(read_code_json(path, DOD_STAGES), scorer=path.parent.name) for path in paths]


def test_five_real_scorers_are_held_to_each_other_as_a_plain_count_says(psg_folder):
    """Two nights; the consensus of all stands in for the system."""
    nights = {dataset: read_real(psg_folder, dataset) for dataset in ("dodh", "dodo")}
    found = compare_scorers(Evaluation([_stand_in(name, people) for name, people in nights.items()]))
    for place, human in enumerate(found.humans):
        pairs = []
        for people in nights.values():
            others = merge_scorers(people[:place] + people[place + 1 :]).stages
            pairs += [pair for pair in zip(others, people[place].stages, strict=True) if UNSCORED not in pair]
        assert human.human.n_epochs == len(pairs) > 1500
        assert human.human.accuracy == pytest.approx(np.mean([one == other for one, other in pairs]))
        assert human.direct.accuracy > 0.7
    assert found.rank == 1
    assert (found.n_ranked, found.n_nights, found.consensus.accuracy) == (6, 2, 1.0)
    assert 0 < found.distance < found.human_distance < 0.5
    assert [line["scorer"] for line in list_humans(found)] == [f"scorer_{number}" for number in range(1, 6)]


def _stand_in(name: str, people: list[Hypnogram]) -> NightResult:
    truth = merge_scorers(people)
    quality = np.zeros((len(truth), 1), dtype=np.uint8)
    return NightResult(KnownNight(name, name, "dod", truth, quality, ("C4-M1",), tuple(people)), truth)
