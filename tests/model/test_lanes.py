"""Forward passes side by side say what one alone says, and leave torch's threads as they were."""

import threading

import numpy as np
import pytest
import torch

from somnolens.model.lanes import plan_lanes, run_lanes
from somnolens.score.engine import load_engine, look_at

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("n_pictures", "batch_size", "lengths"),
    [(11, 32, [6, 5]), (960, 32, [480, 480]), (7, 32, [7]), (960, 4, [960]), (0, 32, [0])],
)
def test_all_pictures_are_shared_out_evenly_where_it_pays(two_threads, n_pictures, batch_size, lengths):
    lanes = plan_lanes(n_pictures, batch_size, CPU)
    assert [lane.stop - lane.start for lane in lanes] == lengths
    assert [lane.start for lane in lanes] == [0, *np.cumsum(lengths)[:-1]]


def test_a_gpu_has_one_lane(two_threads):
    assert plan_lanes(960, 128, torch.device("cuda")) == [slice(0, 960)]


def test_lanes_have_a_thread_each_and_everybody_else_as_many_as_before(two_threads):
    ran_in = run_lanes(lambda lane: (torch.get_num_threads(), threading.get_ident()), plan_lanes(64, 32, CPU))
    assert [n_threads for n_threads, _ in ran_in] == [1, 1]
    assert threading.get_ident() not in {thread for _, thread in ran_in}
    later = threading.Thread(target=lambda: ran_in.append((torch.get_num_threads(), 0)))
    later.start()
    later.join()
    assert torch.get_num_threads() == ran_in[-1][0] == 2


def test_what_goes_wrong_in_a_lane_is_raised(two_threads):
    def work(lane: slice) -> None:
        if lane.start:
            raise ValueError("second lane")

    with pytest.raises(ValueError, match="second lane"):
        run_lanes(work, plan_lanes(64, 32, CPU))


@pytest.fixture(scope="module")
def looker(adapter_folder):
    return load_engine(adapter_folder).looker


@pytest.mark.parametrize("with_hidden", [False, True])
def test_pictures_looked_at_side_by_side_get_the_answers_of_one_pass(two_threads, looker, with_hidden):
    n_hidden = looker.n_hidden if with_hidden else 0
    pictures = np.random.default_rng(0).integers(0, 6, (21, *looker.shape_px)).astype(np.uint8)
    told: list[int] = []
    readings = look_at(looker, pictures, 8, n_hidden, told.append)
    with torch.inference_mode():
        logits, hidden = looker.read(torch.from_numpy(pictures))
    np.testing.assert_allclose(readings[:, :5], logits.double().softmax(-1).numpy(), atol=1e-5)
    np.testing.assert_allclose(readings[:, 5:], hidden.numpy()[:, :n_hidden], atol=1e-4)
    assert told[-1] == 21
    assert told == sorted(told)
