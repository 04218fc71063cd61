"""Epochs sent as numbers: what is taken, and the sentence for what is not."""

import json

import numpy as np
import pytest

from somnolens.errors import MissingDerivationError
from somnolens.serve.messages.problems import UnreadableSignalsError
from somnolens.serve.worker.signals import parse_json, parse_npy, read_npy

RATE_HZ, N_SAMPLES = 100, 3000


def build_json(changes: dict | None = None, **derivations: object) -> bytes:
    content = {"sampling_rate_hz": RATE_HZ, "derivations": derivations} | (changes or {})
    return json.dumps(content).encode()


def make_epochs(n: int, seed: int = 0) -> list[list[float]]:
    return np.random.default_rng(seed).normal(0, 20, (n, N_SAMPLES)).round(2).tolist()


def test_json_becomes_one_continuous_recording():
    epochs = make_epochs(3)
    (recording,), montage = parse_json(build_json(**{"C4-M1": epochs, "chin EMG": make_epochs(3, seed=1)}))
    assert recording.duration_s == 90
    np.testing.assert_allclose(recording["C4-M1"].samples_uv, np.concatenate(epochs), rtol=1e-6)
    assert montage.sources == (None, "C4-M1", None, None, None, "chin EMG")


def test_epochs_that_do_not_follow_each_other_become_recordings_of_their_own():
    epochs = make_epochs(2)
    recordings, _ = parse_json(build_json({"consecutive": False}, **{"C4-M1": epochs}))
    assert [recording.duration_s for recording in recordings] == [30, 30]
    np.testing.assert_allclose(recordings[1]["C4-M1"].samples_uv, epochs[1], rtol=1e-6)


def test_npy_and_json_give_the_same_recording(to_npy):
    epochs = np.array([make_epochs(2), make_epochs(2, seed=1)]).swapaxes(0, 1)
    (one,), _ = parse_npy(to_npy(epochs), ["F4-M1", "C4-M1"], RATE_HZ)
    (two,), _ = parse_json(build_json(**{"F4-M1": epochs[:, 0].tolist(), "C4-M1": epochs[:, 1].tolist()}))
    for name in ("F4-M1", "C4-M1"):
        np.testing.assert_array_equal(one[name].samples_uv, two[name].samples_uv)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2"])
def test_npy_of_any_order_and_number_is_read_as_numpy_reads_it(to_npy, dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    np.testing.assert_array_equal(read_npy(to_npy(array)), array)


def test_a_label_that_stands_for_a_derivation_is_taken_as_in_a_file():
    _, montage = parse_json(build_json(**{"EEG C3-A2": make_epochs(1)}))
    assert montage.sources[1] == "EEG C3-A2"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The JSON cannot be used: body: Invalid JSON"),
        (b"[]", "body: Input should be an object"),
        (build_json(), "derivations: Dictionary should have at least 1 item"),
        (build_json({"units": "mV"}, **{"C4-M1": [[1.0]]}), "units: Extra inputs are not permitted"),
        (build_json(**{"C4-M1": [[None]]}), "derivations.C4-M1.0.0: Input should be a valid number"),
        (build_json(**{"C4-M1": [[None] * 9]}), "and 6 more"),
        (build_json(**{"C4-M1": []}), "There is no epoch in C4-M1"),
        (build_json(**{"C4-M1": [[1.0] * 2999]}), "Epoch 0 of C4-M1 has 2,999 samples; 30 s at 100 Hz are 3,000"),
        (build_json(**{"C4-M1": make_epochs(2), "F4-M1": make_epochs(1)}), "C4-M1 2, F4-M1 1"),
        (build_json({"sampling_rate_hz": 1e999}, **{"C4-M1": [[1.0]]}), "sampling_rate_hz: Input should be a finite"),
        (build_json(**{"C4-M1": [[1.0] * 9 + [float("nan")] + [1.0] * 2990]}), "the first in C4-M1, epoch 0, sample 9"),
        (build_json(**{"C4-M1": [[1e300] * N_SAMPLES]}), "3,000 sample(s) are no number"),
        (build_json(**{"C4-M1": make_epochs(1), "SaO2": make_epochs(1)}), "'SaO2' would not be drawn"),
    ],
)
def test_json_that_cannot_be_used_gets_a_sentence(body, sentence):
    with pytest.raises(UnreadableSignalsError) as error:
        parse_json(body)
    assert sentence in str(error.value)


def test_json_with_nothing_that_is_drawn_says_what_was_looked_for():
    with pytest.raises(MissingDerivationError, match=r"Looked for F4-M1: .* The file has 'SaO2'"):
        parse_json(build_json(SaO2=make_epochs(1)))


def test_npy_that_cannot_be_used_gets_a_sentence(to_npy):
    epochs = np.zeros((2, 1, N_SAMPLES))
    whole = to_npy(epochs)
    for body, names, sentence in [
        (b"PK\x03\x04 nothing", ["C4-M1"], "The body is not an npy file"),
        (whole[:40], ["C4-M1"], "The body is not an npy file"),
        (whole[:-8], ["C4-M1"], "Send it whole"),
        (whole, ["C4-M1", "F4-M1"], "The array has the shape (2, 1, 3000); looked for (epochs, 2 derivations, 3,000"),
        (to_npy(epochs[0]), ["C4-M1"], "The array has the shape (1, 3000)"),
        (to_npy(epochs[:0]), ["C4-M1"], "There is no epoch in the array"),
        (to_npy(epochs[:, :, 1:]), ["C4-M1"], "Epoch 0 of the array has 2,999 samples"),
        (to_npy(np.repeat(epochs, 2, axis=1)), ["C4-M1", "C4-M1"], "C4-M1 is named twice"),
        (to_npy(epochs.astype(complex)), ["C4-M1"], "The array holds complex128"),
        (to_npy(np.full((1, 1, 2), {"pickled": 1}, dtype=object)), ["C4-M1"], "The array holds object"),
        (to_npy(np.full_like(epochs, np.nan)), ["C4-M1"], "6,000 sample(s) are no number"),
    ]:
        with pytest.raises(UnreadableSignalsError) as error:
            parse_npy(body, names, RATE_HZ)
        assert sentence in str(error.value)


def test_a_header_that_promises_too_much_takes_no_memory(to_npy):
    body = to_npy(np.zeros((10, 10, 3))).replace(b"(10, 10, 3)", b"(99999999,)")
    with pytest.raises(UnreadableSignalsError, match=r"needs 799,999,992"):
        read_npy(body)
