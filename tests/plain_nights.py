"""Nights of one minute or more in which nothing happens but what a test puts there, so that the answer is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS
from somnolens.epochs import Epochs
from somnolens.simulate.waveforms import band, bump, make_noise, make_saccade, make_slow_wave, make_spindle

RATE_HZ = 100.0
NAMES = tuple(RECOMMENDED_DERIVATIONS)


@dataclass
class PlainNight:
    """Low-amplitude mixed-frequency EEG, resting eyes and an even chin, to be added to.

    Parameters
    ----------
    signals_uv : ndarray, shape (6, n_samples)
    """

    signals_uv: np.ndarray

    def add(self, name: str, at_s: float, wave_uv: np.ndarray) -> "PlainNight":
        """Add a wave to a derivation, beginning at a second of the night."""
        first = round(at_s * RATE_HZ)
        self.signals_uv[NAMES.index(name), first : first + len(wave_uv)] += wave_uv
        return self

    def add_alpha(self, at_s: float, duration_s: float) -> "PlainNight":
        return self.add("O2-M1", at_s, 25 * np.sin(2 * np.pi * 10 * np.arange(duration_s * RATE_HZ) / RATE_HZ))

    def add_spindle(self, at_s: float) -> "PlainNight":
        return self.add("C4-M1", at_s, 60 * make_spindle(RATE_HZ, 1.2, 13.0))

    def add_slow_waves(self, at_s: float, n: int, size_uv: float = 100.0) -> "PlainNight":
        """Waves of one second each, one after the other."""
        return self.add("F4-M1", at_s, size_uv * np.tile(make_slow_wave(RATE_HZ, 1.0, 0.5), n))

    def add_rapid_movement(self, at_s: float) -> "PlainNight":
        movement_uv = 150 * make_saccade(RATE_HZ, 0.4)
        return self.add("E1-M2", at_s, -movement_uv).add("E2-M2", at_s, movement_uv)

    def add_roll(self, at_s: float, duration_s: float) -> "PlainNight":
        time_s = np.arange(duration_s * RATE_HZ) / RATE_HZ
        roll_uv = 60 * np.sin(2 * np.pi * 0.4 * time_s) * np.hanning(len(time_s)) ** 0.2
        return self.add("E1-M2", at_s, -roll_uv).add("E2-M2", at_s, roll_uv)

    def set_tone(self, epoch: int, times: float) -> "PlainNight":
        """So many times the tone of the other epochs."""
        self.signals_uv[5, round(30 * epoch * RATE_HZ) : round(30 * (epoch + 1) * RATE_HZ)] *= times
        return self

    def cut(self, hidden: Sequence[str] = ()) -> Epochs:
        """Epochs of the night; hidden derivations are missing."""
        pieces = self.signals_uv.reshape(6, -1, round(30 * RATE_HZ)).swapaxes(0, 1).astype(np.float32)
        sources = tuple(None if name in hidden else name for name in NAMES)
        quality = np.tile([source is None for source in sources], (len(pieces), 1)).astype(np.uint8)
        pieces[:, [source is None for source in sources]] = 0
        return Epochs("plain", pieces, NAMES, RATE_HZ, quality, sources)


def make_plain_night(n_epochs: int = 6, seed: int = 0) -> PlainNight:
    """A night of theta and a little of everything else: N1 by the manual, as far as one can tell."""
    rng, n_samples = np.random.default_rng(seed), round(n_epochs * 30 * RATE_HZ)
    signals_uv = np.empty((6, n_samples))
    for place in range(3):
        signals_uv[place] = 6 * make_noise(rng, n_samples, RATE_HZ, bump(5.4, 1.1))
        signals_uv[place] += 4 * make_noise(rng, n_samples, RATE_HZ, band(1, 8))
    for place in (3, 4):
        signals_uv[place] = 4 * make_noise(rng, n_samples, RATE_HZ, band(1, 10))
    signals_uv[5] = 3 * make_noise(rng, n_samples, RATE_HZ, band(18, 45))
    return PlainNight(signals_uv)
