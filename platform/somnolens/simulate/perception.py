"""Signals with questions: what a model must see before anyone tells it about sleep.

Noise, rhythms, bursts and single waves of random frequency and amplitude in random bands. There
is no subject, no stage and no rule of the manual here: only waves, and questions whose answers
are measured on the finished signal. Every answer is one digit.
"""

from dataclasses import dataclass

import numpy as np

from somnolens.aasm import EPOCH_S

SAMPLING_RATE_HZ = 100
N_SAMPLES = EPOCH_S * SAMPLING_RATE_HZ
N_WINDOWS = 15
"""Stretches of 2 s that a line of local answers goes through."""

N_PLACES = 10
"""Stretches of 3 s among which a burst is placed."""

BANDS = tuple("ABCDEF")
"""Names of the bands of a picture, top to bottom."""

ALL = "band"
"""Stands where a question is about the whole band and not about one window."""

_FREQUENCY_EDGES_HZ = np.array([1.0, 1.6, 2.4, 3.6, 5.3, 8.0, 11.0, 14.5, 20.0])
_AMPLITUDE_EDGES_UV = np.array([6.0, 9.0, 13.0, 19.0, 28.0, 42.0, 62.0, 92.0, 140.0])
_TALL_UV = 75.0
_WEIGHTS = {"share": 2, "count": 2, "where": 2, "rhythm": 3, "together": 3}


@dataclass(frozen=True)
class Question:
    """`kind band [argument] = answers`, a token each; a line has one answer for each window."""

    kind: str
    band: str
    argument: str
    answers: tuple[int, ...]

    def __str__(self) -> str:
        words = (self.kind, self.band, self.argument, "=", *map(str, self.answers))
        return " ".join(word for word in words if word)


@dataclass(frozen=True, eq=False)
class Puzzle:
    """One picture's worth of signals, its missing bands and everything that can be asked.

    Parameters
    ----------
    signals_uv : ndarray of float32, shape (6, 3000)
        In microvolts of a band drawn at `reference` scale: the caller multiplies by its own.
    present : ndarray of bool, shape (6,)
    questions : tuple of Question
        First a line about each band, top to bottom, of its amplitude, its frequency or its bursts; then
        single answers.
    """

    signals_uv: np.ndarray
    present: np.ndarray
    questions: tuple[Question, ...]


def make_puzzle(rng: np.random.Generator, n_questions: int) -> Puzzle:
    """Draw signals at random, ask a line about each band and `n_questions` single questions.

    Examples
    --------
    >>> puzzle = make_puzzle(np.random.default_rng(0), n_questions=4)
    >>> puzzle.signals_uv.shape, len(puzzle.questions)
    ((6, 3000), 10)
    """
    n_bands = len(BANDS)
    signals_uv = np.stack([_draw_background(rng) for _ in range(n_bands)])
    rhythms = [_add_rhythm(signals_uv[band], rng) for band in range(n_bands)]
    bursts = [_add_bursts(signals_uv[band], rng) for band in range(n_bands)]
    _add_shared_waves(signals_uv, rng)
    present = rng.random(n_bands) > 0.06
    signals_uv[~present] = 0
    bursts = [middles_s if there else [] for middles_s, there in zip(bursts, present, strict=True)]
    lines = [_ask_line(*band, rng) for band in zip(signals_uv, bursts, BANDS, strict=True)]
    single = _choose(_ask(signals_uv, present, rhythms, bursts), n_questions, rng)
    return Puzzle(signals_uv.astype(np.float32), present, (*lines, *single))


def _ask_line(signal_uv: np.ndarray, bursts_s: list[float], name: str, rng: np.random.Generator) -> Question:
    kind = str(rng.choice(["amplitude", "frequency", "burst"], p=[0.4, 0.4, 0.2]))
    measures = {
        "amplitude": lambda: measure_amplitude(signal_uv),
        "frequency": lambda: measure_frequency(signal_uv),
        "burst": lambda: np.histogram(bursts_s, N_WINDOWS, (0, EPOCH_S))[0],
    }
    return Question(kind, name, "", tuple(int(answer) for answer in measures[kind]()))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_background(rng: np.random.Generator) -> np.ndarray:
    """Noise with a 1/f^k power spectrum between 0.3 and 35 Hz, k between 0 and 2.5."""
    frequency_hz = np.fft.rfftfreq(N_SAMPLES, 1 / SAMPLING_RATE_HZ)
    spectrum = rng.standard_normal(len(frequency_hz)) + 1j * rng.standard_normal(len(frequency_hz))
    inside = (frequency_hz >= 0.3) & (frequency_hz <= rng.choice([15, 35, 50]))
    gain = np.where(inside, np.maximum(frequency_hz, 0.3) ** (-rng.uniform(0, 2.5) / 2), 0)
    noise = np.fft.irfft(spectrum * gain, N_SAMPLES)
    loudness = _smooth_curve(rng, n_knots=int(rng.integers(1, 7)), spread=0.5)
    return noise / noise.std() * loudness * _log_uniform(rng, 1.0, 30)


def _smooth_curve(rng: np.random.Generator, n_knots: int, spread: float) -> np.ndarray:
    """A positive curve over the epoch that wanders around 1."""
    knots = np.exp(spread * rng.standard_normal(n_knots + 1))
    return np.interp(np.linspace(0, n_knots, N_SAMPLES), np.arange(n_knots + 1), knots)


def _draw_wave(rng: np.random.Generator, frequency_hz: float, n_samples: int) -> np.ndarray:
    """A rhythm of unit amplitude whose frequency wanders by some percent."""
    wander = 1 + 0.06 * np.cumsum(rng.standard_normal(n_samples)) / np.sqrt(SAMPLING_RATE_HZ * 10)
    phase = 2 * np.pi * np.cumsum(frequency_hz * wander) / SAMPLING_RATE_HZ
    return np.sin(phase + rng.uniform(0, 2 * np.pi))


def _add_rhythm(signal_uv: np.ndarray, rng: np.random.Generator) -> float | None:
    """Perhaps add a rhythm that fills most of the epoch; return its frequency where it stands out."""
    if rng.random() < 0.4:
        return None
    frequency_hz = _log_uniform(rng, 0.5, 28)
    envelope = np.clip(_smooth_curve(rng, int(rng.integers(2, 14)), 0.8) - rng.uniform(0, 0.8), 0, 3)
    rhythm = _draw_wave(rng, frequency_hz, N_SAMPLES) * envelope
    strength = _log_uniform(rng, 0.5, 4)
    background = signal_uv.std()
    signal_uv += rhythm / max(rhythm.std(), 1e-3) * strength * background
    return frequency_hz if strength > 1 else None


def _add_bursts(signal_uv: np.ndarray, rng: np.random.Generator) -> list[float]:
    """Perhaps add short bursts; return the seconds of their middles."""
    middles_s = rng.uniform(1.5, EPOCH_S - 1.5, rng.choice([0, 0, 1, 1, 2, 3]))
    background = np.diff(signal_uv).std() * 4 + 1
    for middle_s in middles_s:
        n_samples = int(rng.uniform(0.5, 2.0) * SAMPLING_RATE_HZ)
        first = int(middle_s * SAMPLING_RATE_HZ) - n_samples // 2
        burst = _draw_wave(rng, _log_uniform(rng, 6, 25), n_samples) * np.hanning(n_samples)
        signal_uv[first : first + n_samples] += burst * background * _log_uniform(rng, 1.5, 6)
    return middles_s.tolist()


def _add_shared_waves(signals_uv: np.ndarray, rng: np.random.Generator) -> None:
    """Add single slow waves to some bands, to a few of them at once with equal or opposite sign."""
    for _ in range(rng.integers(0, 4)):
        gains = rng.choice([-1.0, 0.0, 0.0, 1.0], len(BANDS)) * rng.uniform(0.5, 1.2, len(BANDS))
        wave = np.zeros(N_SAMPLES)
        height_uv = _log_uniform(rng, 25, 200)
        for _ in range(rng.integers(1, 12)):
            n_samples = int(_log_uniform(rng, 0.3, 4) * SAMPLING_RATE_HZ)
            first = int(rng.integers(0, N_SAMPLES - n_samples))
            shape = np.sin(np.linspace(0, rng.choice([1, 2]) * np.pi, n_samples)) * rng.choice([-1, 1])
            wave[first : first + n_samples] += shape * height_uv * rng.uniform(0.5, 1)
        signals_uv += gains[:, None] * wave


def _ask(
    signals_uv: np.ndarray, present: np.ndarray, rhythms: list[float | None], bursts_s: list[list[float]]
) -> dict[str, list[Question]]:
    """Every single question these signals answer, by kind."""
    asked: dict[str, list[Question]] = {kind: [] for kind in _WEIGHTS}
    together = measure_together(signals_uv)
    for band in np.flatnonzero(present):
        name, signal = BANDS[band], signals_uv[band]
        asked["share"].append(Question("share", name, ALL, (measure_tall_share(signal),)))
        asked["count"].append(Question("count", name, ALL, (len(bursts_s[band]),)))
        if len(bursts_s[band]) == 1:
            place = int(bursts_s[band][0] * N_PLACES / EPOCH_S)
            asked["where"].append(Question("where", name, ALL, (place,)))
        rhythm = rhythms[band]
        if rhythm is not None:
            asked["rhythm"].append(Question("rhythm", name, ALL, (int(np.digitize(rhythm, _FREQUENCY_EDGES_HZ)),)))
        for other in np.flatnonzero(present):
            if other != band:
                asked["together"].append(Question("together", name, BANDS[other], (int(together[band, other]),)))
    return asked


def _choose(asked: dict[str, list[Question]], n_questions: int, rng: np.random.Generator) -> list[Question]:
    """Draw questions, each kind as likely as its weight, without repeating one where there are enough."""
    pool = [(question, _WEIGHTS[kind] / len(group)) for kind, group in asked.items() for question in group]
    weight = np.array([weight for _, weight in pool])
    picked = rng.choice(len(pool), n_questions, replace=len(pool) < n_questions, p=weight / weight.sum())
    return [pool[index][0] for index in picked]


def measure_amplitude(signal_uv: np.ndarray) -> np.ndarray:
    """Class of the peak-to-peak amplitude in each window, int, shape (15,)."""
    return np.digitize(np.ptp(signal_uv.reshape(N_WINDOWS, -1), axis=1), _AMPLITUDE_EDGES_UV)


def measure_frequency(signal_uv: np.ndarray) -> np.ndarray:
    """Class of the mean frequency in each window, int, shape (15,).

    The mean frequency is Hjorth's mobility over 2 pi: root-mean-square slope over root-mean-square
    value (B. Hjorth, Electroencephalogr. Clin. Neurophysiol. 29, 1970).
    """
    windows = signal_uv.reshape(N_WINDOWS, -1)
    windows = windows - windows.mean(axis=1, keepdims=True)
    slope = np.diff(windows, axis=1).std(axis=1) * SAMPLING_RATE_HZ
    return np.digitize(slope / (2 * np.pi * np.maximum(windows.std(axis=1), 1e-9)), _FREQUENCY_EDGES_HZ)


def measure_tall_share(signal_uv: np.ndarray) -> int:
    """How many tenths of the seconds swing by more than 75 microvolts: 0 for none, 9 for nearly all."""
    share = (np.ptp(signal_uv.reshape(EPOCH_S, -1), axis=1) > _TALL_UV).mean()
    return int(np.ceil(min(share, 0.9) * 10))


def measure_together(signals_uv: np.ndarray) -> np.ndarray:
    """0 where two bands move oppositely, 1 where neither, 2 where together, int, shape (6, 6).

    Together means a correlation beyond 0.3, oppositely one below -0.3.
    """
    with np.errstate(invalid="ignore"):  # a missing band has no deviation
        return np.digitize(np.nan_to_num(np.corrcoef(signals_uv)), [-0.3, 0.3])
