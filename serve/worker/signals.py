"""Epochs sent as numbers, JSON or npy, to recordings that are prepared as any night is."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import ValidationError

from somnolens.aasm import EPOCH_S, RECOMMENDED_DERIVATIONS
from somnolens.read.montage import Montage, find_montage
from somnolens.recording import Recording, Signal
from somnolens.serve.messages.problems import UnreadableSignalsError
from somnolens.serve.messages.schema import EpochSignals

NAME = "signals"
"""Stands for the name of a file in sentences."""

MOST_FAULTS = 3
"""Faults of a JSON body that one answer lists."""


def parse_json(body: bytes) -> tuple[tuple[Recording, ...], Montage]:
    """Recordings of a JSON body: one if its epochs are consecutive, else one for each epoch.

    Raises
    ------
    UnreadableSignalsError
    MissingDerivationError
    """
    try:
        sent = EpochSignals.model_validate_json(body)
    except ValidationError as error:
        raise UnreadableSignalsError(_explain(error)) from None
    counts = {name: len(epochs) for name, epochs in sent.derivations.items()}
    if len(set(counts.values())) > 1:
        raise UnreadableSignalsError(
            f"The derivations do not have equally many epochs: {_list(counts)}. Send whole ones."
        )
    for name, epochs in sent.derivations.items():
        _check_lengths(name, [len(epoch) for epoch in epochs], sent.sampling_rate_hz)
    signals_uv = np.array(list(sent.derivations.values()), dtype=np.float64).swapaxes(0, 1)
    return _build(signals_uv, list(sent.derivations), sent.sampling_rate_hz, sent.consecutive)


def parse_npy(
    body: bytes, derivations: Sequence[str], sampling_rate_hz: float, consecutive: bool = True
) -> tuple[tuple[Recording, ...], Montage]:
    """As `parse_json`, of an array of shape (n_epochs, n_derivations, n_samples) in NumPy's npy format."""
    signals_uv = read_npy(body)
    wanted = f"(epochs, {len(derivations)} derivations, {round(EPOCH_S * sampling_rate_hz):,} samples)"
    if signals_uv.ndim != 3 or signals_uv.shape[1] != len(derivations):
        raise UnreadableSignalsError(
            f"The array has the shape {signals_uv.shape}; looked for {wanted}. Name as many derivations as it has."
        )
    _check_lengths("the array", [signals_uv.shape[2]] * signals_uv.shape[0], sampling_rate_hz)
    return _build(signals_uv, list(derivations), sampling_rate_hz, consecutive)


def read_npy(body: bytes) -> np.ndarray:
    """Numbers of an npy file. Nothing is unpickled, and no memory is taken on the word of the header.

    Raises
    ------
    UnreadableSignalsError
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, is_fortran, dtype = read_header[version](stream)
    except (ValueError, KeyError) as error:
        raise UnreadableSignalsError(
            f"The body is not an npy file ({type(error).__name__}). Write it with numpy.save, or send application/json."
        ) from None
    if dtype.kind not in "fiu":
        raise UnreadableSignalsError(f"The array holds {dtype.name}; looked for numbers in microvolts. Convert it.")
    n_bytes = len(body) - stream.tell()
    if math.prod(shape) * dtype.itemsize != n_bytes:
        raise UnreadableSignalsError(
            f"The npy file holds {n_bytes:,} bytes, and {shape} of {dtype.name} needs "
            f"{math.prod(shape) * dtype.itemsize:,}. Send it whole."
        )
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _build(
    signals_uv: np.ndarray, names: list[str], sampling_rate_hz: float, consecutive: bool
) -> tuple[tuple[Recording, ...], Montage]:
    """Recordings from an array of shape (n_epochs, n_derivations, n_samples), in microvolts."""
    if twice := {name for name in names if names.count(name) > 1}:
        raise UnreadableSignalsError(f"{', '.join(sorted(twice))} is named twice. Name each derivation once.")
    with np.errstate(over="ignore"):
        signals_uv = signals_uv.astype(np.float32)
    _check_finite(signals_uv, names)
    blocks = [signals_uv] if consecutive else np.split(signals_uv, len(signals_uv))
    recordings = tuple(_join(block, names, sampling_rate_hz) for block in blocks)
    montage = find_montage(recordings[0])
    if unknown := [name for name in names if name not in montage.signal_names]:
        raise UnreadableSignalsError(
            f"{', '.join(map(repr, unknown))} would not be drawn. Looked for at most one signal for each of "
            f"{', '.join(RECOMMENDED_DERIVATIONS)}. Leave out what is not one of these, and what stands for the same."
        )
    return recordings, montage


def _join(epochs_uv: np.ndarray, names: list[str], sampling_rate_hz: float) -> Recording:
    rows = epochs_uv.swapaxes(0, 1).reshape(len(names), -1)
    signals = tuple(Signal(name, row, sampling_rate_hz) for name, row in zip(names, rows, strict=True))
    return Recording(NAME, signals, len(epochs_uv) * float(EPOCH_S))


def _check_lengths(name: str, lengths: Sequence[int], sampling_rate_hz: float) -> None:
    expected = round(EPOCH_S * sampling_rate_hz)
    if not lengths:
        raise UnreadableSignalsError(f"There is no epoch in {name}. Send at least one of {EPOCH_S} s.")
    for epoch, length in enumerate(lengths):
        if length != expected:
            raise UnreadableSignalsError(
                f"Epoch {epoch} of {name} has {length:,} samples; {EPOCH_S} s at {sampling_rate_hz:g} Hz are "
                f"{expected:,}. Send whole epochs, or correct sampling_rate_hz."
            )


def _check_finite(signals_uv: np.ndarray, names: list[str]) -> None:
    bad = np.argwhere(~np.isfinite(signals_uv))
    if len(bad):
        epoch, derivation, sample = bad[0]
        raise UnreadableSignalsError(
            f"{len(bad):,} sample(s) are no number, the first in {names[derivation]}, epoch {epoch}, sample {sample}. "
            "Replace them, or leave out the epoch or the derivation."
        )


def _explain(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults[:MOST_FAULTS]]
    more = f" and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return f"The JSON cannot be used: {'; '.join(told)}{more}. GET /docs shows an example."


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
