"""What a piece of signal is replaced with to see what the model loses: the night's own background.

Not zeros: a flat line is a detached electrode, which the model has learnt to recognise, and what is measured then is
how far the picture left everything it was trained on (S. Hooker et al., NeurIPS 2019). Not a black box for the same
reason. Not another stretch of the night: it would carry the evidence of its own stage. But noise of random phase with
the spectrum of the derivation (a surrogate in the sense of J. Theiler et al., Physica D 58:77, 1992), taken as the
median over the night: typical in band and amplitude, and quiet, since spindles, K-complexes, eye movements and bodies
fill less than half of any night and so leave no trace in a median.

It is a choice, and no choice is without a stage: `explain.modalities` measures what the model makes of an epoch that
is all neutral.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from somnolens.epochs import GOOD, Epochs

WINDOW_S = 4.0
"""Long enough for the 0.3 Hz at which the display filter begins."""

FADE_S = 0.1
"""Length of the cross-fade at the edges of what is replaced: shorter than any wave that a stage is made of."""


@dataclass(frozen=True, eq=False)
class Background:
    """Median spectra of a night.

    Parameters
    ----------
    frequencies_hz : ndarray, shape (n_frequencies,)
    density : ndarray, shape (n_derivations, n_frequencies)
        Square microvolts per hertz; zero where a derivation is missing.
    sampling_rate_hz : float
    """

    frequencies_hz: np.ndarray
    density: np.ndarray
    sampling_rate_hz: float

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Noise with these spectra, float32, shape (n_derivations, n_samples), in microvolts."""
        white = np.fft.rfft(rng.standard_normal((len(self.density), n_samples)))
        fine_hz = np.fft.rfftfreq(n_samples, 1 / self.sampling_rate_hz)
        gains = [
            np.sqrt(np.interp(fine_hz, self.frequencies_hz, row) * self.sampling_rate_hz / 2) for row in self.density
        ]
        return np.fft.irfft(white * np.stack(gains), n=n_samples).astype(np.float32)


def measure_background(epochs: Epochs) -> Background:
    """The median spectrum of each derivation over its good epochs, corrected for the bias of a median (Welch)."""
    n_window = round(WINDOW_S * epochs.sampling_rate_hz)
    rows = []
    for place in range(len(epochs.derivations)):
        good = (epochs.quality[:, place] == GOOD) & epochs.present[place]
        samples_uv = epochs.signals_uv[good, place].astype(np.float64).ravel()
        rows.append(
            signal.welch(samples_uv, epochs.sampling_rate_hz, nperseg=n_window, average="median")[1]
            if len(samples_uv)
            else np.zeros(n_window // 2 + 1)
        )
    return Background(np.fft.rfftfreq(n_window, 1 / epochs.sampling_rate_hz), np.stack(rows), epochs.sampling_rate_hz)


def cross_fade(samples_uv: np.ndarray, neutral_uv: np.ndarray, first: int, last: int, n_fade: int) -> np.ndarray:
    """Samples whose stretch from `first` up to `last` is replaced, faded at both edges with constant power.

    At the ends of the epoch there is no edge, and nothing is faded.

    Parameters
    ----------
    samples_uv, neutral_uv : ndarray, shape (n_samples,)
    first, last, n_fade : int
        In samples; the fade is centred on the edges.

    Examples
    --------
    >>> cross_fade(np.ones(6), np.zeros(6), 2, 4, 1).round(1).tolist()
    [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    """
    places = np.arange(len(samples_uv)) + 0.5
    rise = np.clip((places - first) / n_fade + 0.5, 0, 1) if first > 0 else np.ones(len(samples_uv))
    fall = np.clip((last - places) / n_fade + 0.5, 0, 1) if last < len(samples_uv) else np.ones(len(samples_uv))
    share = np.minimum(rise, fall) * np.pi / 2
    return np.cos(share) * samples_uv + np.sin(share) * neutral_uv
