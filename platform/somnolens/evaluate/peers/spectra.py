"""Spectral features of an epoch, with the minutes around it: what classical stagers look at.

After R. Vallat and M. P. Walker (eLife 10:e70092, 2021) and the features of earlier stagers; but of all six
derivations, and in absolute microvolts too, because N3 has a rule in microvolts.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage, signal, stats

from somnolens.aasm import EPOCH_S, RECOMMENDED_DERIVATIONS, SLOW_WAVE_UV
from somnolens.epochs import CLIPPED, GOOD, Epochs

BANDS_HZ: Final = {
    "slow": (0.4, 1.0),
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "sigma": (12.0, 16.0),
    "beta": (16.0, 30.0),
}
MUSCLE_BANDS_HZ: Final = {"low": (10.0, 20.0), "middle": (20.0, 35.0), "high": (35.0, 49.0)}
RATIOS: Final = (("delta", "theta"), ("delta", "sigma"), ("delta", "beta"), ("theta", "alpha"), ("alpha", "beta"))

AROUND_EPOCHS: Final = 15
"""Seven and a half minutes, weighted as a triangle."""

BEFORE_EPOCHS: Final = 4
"""The two minutes before."""

TAPER_S: Final = 5
LEAST_POWER: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Features:
    """Features of consecutive epochs.

    Parameters
    ----------
    names : tuple of str
    values : ndarray of float32, shape (n_epochs, n_features)
        Not a number where a derivation that the feature needs is missing, flat or detached.
    needs : ndarray of bool, shape (n_features, n_derivations)
        Which derivations each feature is made from.
    """

    names: tuple[str, ...]
    values: np.ndarray
    needs: np.ndarray

    def hide(self, hidden: np.ndarray) -> np.ndarray:
        """Values as if some derivations were not recorded; `hidden` is bool, shape (n_epochs, n_derivations)."""
        return np.where(hidden @ self.needs.T, np.float32(np.nan), self.values)


def measure_features(epochs: Epochs) -> Features:
    """Features of each epoch, of its neighbours, and of the minutes around it relative to the night."""
    alone = _measure_alone(epochs)
    relative = _compare_with_night(alone.values)
    parts = {
        "": alone.values,
        " before": _shift(alone.values, 1),
        " after": _shift(alone.values, -1),
        " relative": relative,
        f" around {AROUND_EPOCHS}": _smooth(relative, _triangle(AROUND_EPOCHS)),
        f" past {BEFORE_EPOCHS}": _smooth(relative, _past(BEFORE_EPOCHS)),
    }
    names = tuple(f"{name}{part}" for part in parts for name in alone.names)
    hours = (np.arange(len(epochs)) * epochs.step_s / 3600)[:, None]
    values = np.concatenate([*parts.values(), hours], axis=1).astype(np.float32)
    nothing = np.zeros((1, alone.needs.shape[1]), dtype=bool)
    return Features((*names, "hours"), values, np.concatenate([alone.needs] * len(parts) + [nothing]))


def _measure_alone(epochs: Epochs) -> Features:
    """Features of each epoch by itself."""
    columns: dict[str, np.ndarray] = {}
    needs: list[np.ndarray] = []
    n_derivations = len(epochs.derivations)
    for place, name in enumerate(epochs.derivations):
        measured = _measure_derivation(epochs.signals_uv[:, place], epochs.sampling_rate_hz, name)
        columns |= {f"{name} {what}": values for what, values in measured.items()}
        needs += [np.arange(n_derivations) == place] * len(measured)
    eyes = np.array([RECOMMENDED_DERIVATIONS[name] == "EOG" for name in epochs.derivations])
    if eyes.sum() == 2:
        pair = _measure_eyes(*epochs.signals_uv[:, eyes].swapaxes(0, 1))
        columns |= pair
        needs += [eyes] * len(pair)
    features = Features(tuple(columns), np.stack(list(columns.values()), axis=1), np.stack(needs))
    # A clipped epoch can still be measured.
    unusable = (epochs.quality != GOOD) & (epochs.quality != CLIPPED)
    return Features(features.names, features.hide(unusable), features.needs)


def _measure_derivation(signals_uv: np.ndarray, rate_hz: float, name: str) -> dict[str, np.ndarray]:
    """Shape, amplitude and spectrum of one derivation, each of shape (n_epochs,)."""
    is_muscle = RECOMMENDED_DERIVATIONS[name] == "EMG"
    hz, power = signal.welch(signals_uv, rate_hz, nperseg=round(TAPER_S * rate_hz))
    powers = {
        band: np.log10(power[:, (hz >= low) & (hz < high)].sum(axis=1) + LEAST_POWER)
        for band, (low, high) in (MUSCLE_BANDS_HZ if is_muscle else BANDS_HZ).items()
    }
    total = np.log10(power.sum(axis=1) + LEAST_POWER)
    measured = {"total": total} | powers | _measure_shape(signals_uv) | _measure_seconds(signals_uv, rate_hz)
    if not is_muscle:
        measured |= {f"{one}/{other}": powers[one] - powers[other] for one, other in RATIOS}
        measured |= {f"share of {band}": powers[band] - total for band in powers}
    return measured


def _measure_shape(signals_uv: np.ndarray) -> dict[str, np.ndarray]:
    """Moments, and how fast the signal turns (B. Hjorth, 1970)."""
    steps, turns = np.diff(signals_uv, axis=1), np.diff(signals_uv, n=2, axis=1)
    spread, spread_steps, spread_turns = (one.std(axis=1) + 1e-6 for one in (signals_uv, steps, turns))
    low, high = np.percentile(signals_uv, [25, 75], axis=1)
    with np.errstate(all="ignore"):
        kurtosis = np.nan_to_num(np.log1p(np.maximum(stats.moment(signals_uv, 4, axis=1) / spread**4, 0)))
    return {
        "spread": np.log10(spread),
        "middle half": np.log10(high - low + 1e-3),
        "kurtosis": kurtosis,
        "mobility": spread_steps / spread,
        "complexity": spread_turns / spread_steps / (spread_steps / spread),
    }


def _measure_seconds(signals_uv: np.ndarray, rate_hz: float) -> dict[str, np.ndarray]:
    """Peak-to-peak of seconds: quiet ones, usual ones, loud ones, and how many are as tall as a slow wave."""
    seconds = signals_uv[:, : EPOCH_S * round(rate_hz)].reshape(len(signals_uv), EPOCH_S, -1)
    heights_uv = seconds.max(axis=2) - seconds.min(axis=2)
    quiet, usual, loud = np.log10(np.percentile(heights_uv, [10, 50, 90], axis=1) + 1e-3)
    tall = (heights_uv > SLOW_WAVE_UV).mean(axis=1)
    return {"quiet seconds": quiet, "usual seconds": usual, "loud seconds": loud, "tall seconds": tall}


def _measure_eyes(one_uv: np.ndarray, other_uv: np.ndarray) -> dict[str, np.ndarray]:
    """Eyes move together, so that the two derivations mirror each other; brain waves reach both alike."""
    difference, total = one_uv - other_uv, one_uv + other_uv
    centred = [one - one.mean(axis=1, keepdims=True) for one in (one_uv, other_uv)]
    spreads = [one.std(axis=1) + 1e-6 for one in centred]
    return {
        "eyes correlation": (centred[0] * centred[1]).mean(axis=1) / (spreads[0] * spreads[1]),
        "eyes apart": np.log10(difference.std(axis=1) + 1e-3) - np.log10(total.std(axis=1) + 1e-3),
        "eyes largest": np.log10(np.ptp(difference, axis=1) + 1e-3),
    }


def _compare_with_night(values: np.ndarray) -> np.ndarray:
    """Distance from the night's median in spreads between its 5th and 95th percentile."""
    known = np.isfinite(values).any(axis=0)
    relative = np.full_like(values, np.nan)
    low, middle, high = np.nanpercentile(values[:, known], [5, 50, 95], axis=0)
    relative[:, known] = (values[:, known] - middle) / np.maximum(high - low, 1e-6)
    return relative


def _shift(values: np.ndarray, n: int) -> np.ndarray:
    """Values of the epoch `n` before; not a number beyond the ends."""
    shifted = np.full_like(values, np.nan)
    if n > 0:
        shifted[n:] = values[:-n]
    else:
        shifted[:n] = values[-n:]
    return shifted


def _smooth(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Weighted mean of what is known around each epoch; not a number where nothing is."""
    known = np.isfinite(values)
    total = ndimage.convolve1d(np.where(known, values, 0.0), kernel, axis=0, mode="constant")
    weight = ndimage.convolve1d(known.astype(float), kernel, axis=0, mode="constant")
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-9)


def _triangle(n: int) -> np.ndarray:
    return signal.windows.triang(n)


def _past(n: int) -> np.ndarray:
    """Weights of this epoch and of those before it; convolution runs backwards in time."""
    kernel = np.zeros(2 * n + 1)
    kernel[n:] = 1.0
    return kernel
