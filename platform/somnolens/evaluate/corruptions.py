"""What can go wrong with a recording, done to the raw signal: the same for every system.

Pure functions from a `Recording` to a `Recording`, in microvolts, at the recorder's rates, before any filter. What is
drawn at random is drawn from a generator that the caller seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from somnolens.aasm import EPOCH_S
from somnolens.prepare.resample import filter_and_resample
from somnolens.recording import Recording, Signal

Change = Callable[[Recording, float, np.random.Generator], Recording]

MAINS_HZ: Final = 50.0
HARMONICS: Final = {1: 1.0, 3: 0.3, 5: 0.1}
"""Mains hum is no pure sine."""

PINK_FROM_HZ: Final = 0.1
"""1/f noise does not grow for ever: below it is flat."""

MOVEMENT_S: Final = (3.0, 15.0)
MOVEMENT_UV: Final = (150.0, 500.0)


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a recording, at several severities.

    Parameters
    ----------
    name : str
    unit : str
        Of the severity, for axes and tables.
    severities : tuple of float
        From the mildest.
    change : callable
    """

    name: str
    unit: str
    severities: tuple[float, ...]
    change: Change


def lose_channel(recording: Recording, name: str, share: float) -> Recording:
    """A channel is dead for the last `share` of the recording: constant zero, as from an electrode that came off and
    an amplifier that was told to ignore it.

    Examples
    --------
    >>> night = Recording("night", (Signal("C4-M1", np.ones(3000), 100.0),), 30.0)
    >>> float(lose_channel(night, "C4-M1", 0.7)["C4-M1"].samples_uv.sum())
    900.0
    """

    def silence(signal: Signal) -> np.ndarray:
        samples_uv = signal.samples_uv.copy()
        samples_uv[round((1 - share) * len(samples_uv)) :] = 0.0
        return samples_uv

    return _change_each(recording, lambda signal: silence(signal) if signal.name == name else signal.samples_uv)


def add_white_noise(recording: Recording, snr_db: float, rng: np.random.Generator) -> Recording:
    """White noise in every channel, so many decibels below the channel's own usual power."""
    return _add_noise(recording, snr_db, lambda n, rate_hz: rng.standard_normal(n, dtype=np.float32))


def add_pink_noise(recording: Recording, snr_db: float, rng: np.random.Generator) -> Recording:
    """Noise whose power falls as 1/f, as sweat and slow potentials have it."""
    return _add_noise(recording, snr_db, lambda n, rate_hz: _make_pink(n, rate_hz, rng))


def add_hum(recording: Recording, rms_uv: float, rng: np.random.Generator) -> Recording:
    """Mains hum of 50 Hz with odd harmonics in every channel, each in a phase of its own."""

    def hum(signal: Signal) -> np.ndarray:
        times_s = np.arange(len(signal.samples_uv)) / signal.sampling_rate_hz
        phase = rng.uniform(0, 2 * np.pi)
        heard = {n: level for n, level in HARMONICS.items() if n * MAINS_HZ < signal.sampling_rate_hz / 2}
        wave = sum(level * np.sin(n * (2 * np.pi * MAINS_HZ * times_s + phase)) for n, level in heard.items())
        return _clip(signal, signal.samples_uv + np.float32(np.sqrt(2) * rms_uv) * np.float32(wave))

    return _change_each(recording, hum)


def scale_gain(recording: Recording, factor: float, rng: np.random.Generator | None = None) -> Recording:
    """Every channel is recorded too large or too small: a calibration that is off. The ends of its range go along."""
    signals = (
        replace(
            signal,
            samples_uv=signal.samples_uv * np.float32(factor),
            physical_range_uv=tuple(factor * edge for edge in signal.physical_range_uv),
        )
        for signal in recording
    )
    return replace(recording, signals=tuple(signals))


def flip_polarity(recording: Recording, n_channels: float, rng: np.random.Generator) -> Recording:
    """So many channels, drawn at random, are upside down."""
    flipped = set(rng.permutation(len(recording.signals))[: round(n_channels)].tolist())
    signs = {signal.name: -1 if place in flipped else 1 for place, signal in enumerate(recording)}
    return _change_each(recording, lambda signal: signs[signal.name] * signal.samples_uv)


def swap_channels(recording: Recording, n_pairs: float, rng: np.random.Generator) -> Recording:
    """So many pairs of channels, drawn at random, carry each other's name."""
    order = rng.permutation(len(recording.signals))[: 2 * round(n_pairs)].tolist()
    partner = {one: other for pair in zip(order[::2], order[1::2], strict=False) for one, other in (pair, pair[::-1])}
    names = recording.names
    signals = list(recording.signals)
    swapped = (replace(signals[partner.get(place, place)], name=name) for place, name in enumerate(names))
    return replace(recording, signals=tuple(swapped))


def lower_rate(recording: Recording, rate_hz: float, rng: np.random.Generator | None = None) -> Recording:
    """Every channel is stored at a lower rate, with the filter that belongs to it; slower ones stay as they are."""

    def store(signal: Signal) -> Signal:
        if signal.sampling_rate_hz <= rate_hz:
            return signal
        slower_uv = filter_and_resample(signal.samples_uv, signal.sampling_rate_hz, rate_hz, np.ones_like)
        return replace(signal, samples_uv=slower_uv, sampling_rate_hz=float(rate_hz))

    return replace(recording, signals=tuple(store(signal) for signal in recording))


def add_movements(recording: Recording, per_hour: float, rng: np.random.Generator) -> Recording:
    """Bursts of movement, so many an hour, in all channels at once: swings of the electrode and muscle."""
    n = rng.poisson(per_hour * recording.duration_s / 3600)
    bursts = list(
        zip(
            rng.uniform(0, recording.duration_s, n),
            rng.uniform(*MOVEMENT_S, n),
            rng.uniform(*MOVEMENT_UV, n),
            strict=True,
        )
    )

    def move(signal: Signal) -> np.ndarray:
        samples_uv, rate_hz = signal.samples_uv.astype(np.float32, copy=True), signal.sampling_rate_hz
        for onset_s, length_s, height_uv in bursts:
            place = slice(round(onset_s * rate_hz), round((onset_s + length_s) * rate_hz))
            n_samples = len(samples_uv[place])
            samples_uv[place] += _make_movement(n_samples, rate_hz, height_uv, rng)
        return _clip(signal, samples_uv)

    return _change_each(recording, move)


CORRUPTIONS: Final = (
    Corruption("white noise", "dB SNR", (10.0, 0.0), add_white_noise),
    Corruption("1/f noise", "dB SNR", (10.0, 0.0), add_pink_noise),
    Corruption("mains hum", "uV RMS", (20.0, 100.0), add_hum),
    Corruption("gain", "times", (0.5, 0.7, 1.4, 2.0), scale_gain),
    Corruption("flipped", "channels", (2.0, 6.0), flip_polarity),
    Corruption("swapped", "pairs", (1.0, 3.0), swap_channels),
    Corruption("sampling rate", "Hz", (64.0, 32.0), lower_rate),
    Corruption("movements", "an hour", (20.0, 60.0), add_movements),
)
"""All but the lost channel, which is tried with each channel in turn; see `robustness`."""


def list_corruptions(names: Sequence[str] = ()) -> Mapping[str, Corruption]:
    """Corruptions by name, all of them or some."""
    known = {corruption.name: corruption for corruption in CORRUPTIONS}
    return {name: known[name] for name in names or known}


def measure_usual_power(signal: Signal) -> float:
    """Median over the epochs of the variance within each, in square microvolts: movements do not count as signal."""
    n = round(EPOCH_S * signal.sampling_rate_hz)
    whole = signal.samples_uv[: len(signal.samples_uv) // n * n]
    return float(np.median(whole.reshape(-1, n).var(axis=1))) if len(whole) else float(np.var(signal.samples_uv))


def _change_each(recording: Recording, change: Callable[[Signal], np.ndarray]) -> Recording:
    """The same recording with other samples."""
    return replace(recording, signals=tuple(replace(signal, samples_uv=change(signal)) for signal in recording))


def _add_noise(recording: Recording, snr_db: float, make: Callable[[int, float], np.ndarray]) -> Recording:
    """`make` gives noise of variance 1 for a number of samples and a rate."""

    def spoil(signal: Signal) -> np.ndarray:
        level_uv = np.sqrt(measure_usual_power(signal) / 10 ** (snr_db / 10))
        noise = make(len(signal.samples_uv), signal.sampling_rate_hz)
        return _clip(signal, signal.samples_uv + np.float32(level_uv) * noise)

    return _change_each(recording, spoil)


def _make_pink(n_samples: int, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of variance 1 with power as 1/f."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, PINK_FROM_HZ)), n=n_samples)
    return (noise / noise.std()).astype(np.float32)


def _make_movement(n_samples: int, rate_hz: float, height_uv: float, rng: np.random.Generator) -> np.ndarray:
    """A swing of about a second and the muscle on top of it, risen and fallen as a window."""
    times_s = np.arange(n_samples) / rate_hz
    swing = np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * times_s + rng.uniform()))
    muscle = 0.4 * rng.standard_normal(n_samples)
    return (height_uv * np.hanning(n_samples) * (swing + muscle)).astype(np.float32)


def _clip(signal: Signal, samples_uv: np.ndarray) -> np.ndarray:
    """No recorder stores what lies beyond its range."""
    return np.clip(samples_uv, *signal.physical_range_uv).astype(np.float32, copy=False)
