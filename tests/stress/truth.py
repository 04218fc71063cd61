"""What is sent, and what offline scoring says of it with each adapter."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from somnolens.config import SimulateSettings
from somnolens.model.adapter_card import locate_adapter
from somnolens.model.additions import add_adapter
from somnolens.model.promotions import promote_adapter
from somnolens.model.registry import open_registry
from somnolens.prepare.night import prepare_epochs
from somnolens.read.edf import read_recording
from somnolens.score.engine import Engine, load_engine
from somnolens.score.night import score_epochs, score_recording
from somnolens.serve.worker.signals import parse_json
from somnolens.simulate.night import simulate_subject

N_NIGHTS, N_EPOCHS, N_SINGLES = 4, 30, 6
TOLERANCE = 1e-4
"""Of a probability: pictures share their passes with other pictures."""


@dataclass(frozen=True, eq=False)
class Sent:
    """A body, and the probabilities that each adapter gives, shape (n_epochs, 5)."""

    body: bytes
    truths: dict[str, np.ndarray]

    def find_adapter(self, answer: dict) -> str:
        """The adapter that gave an answer; empty where none did."""
        said = np.array(answer["probabilities"])
        fits = [name for name, truth in self.truths.items() if np.allclose(said, truth, atol=TOLERANCE)]
        return fits[0] if fits else ""


def make_registry(place: Path, folder: Path) -> None:
    """Three adapters: the embedded one, a weaker one, and one that answers the same to everything."""
    add_adapter(place, locate_adapter("embedded"), "one")
    add_adapter(place, _scale_adapter(folder / "two", 0.9), "two")
    add_adapter(place, _scale_adapter(folder / "broken", float("nan")), "broken")
    promote_adapter(open_registry(place), "one")


def _scale_adapter(folder: Path, factor: float) -> Path:
    shutil.copytree(locate_adapter("embedded"), folder)
    weights = load_file(folder / "adapter_model.safetensors")
    scaled = {name: (values * factor).astype(values.dtype) for name, values in weights.items()}
    save_file(scaled, folder / "adapter_model.safetensors", {"format": "pt"})
    card = json.loads((folder / "somnolens.json").read_text())
    card.pop("probe", None)  # its own answers are others now, and a broken one must be found without
    (folder / "somnolens.json").write_text(json.dumps(card))
    return folder


def make_nights(folder: Path, adapters: dict[str, Path]) -> tuple[list[Sent], list[Sent]]:
    """Whole nights, and single epochs out of them."""
    engines = {name: load_engine(place) for name, place in adapters.items()}
    settings = SimulateSettings(n_subjects=N_NIGHTS, hours=N_EPOCHS / 120, seed=23)
    paths = [simulate_subject(number, settings, folder) for number in range(N_NIGHTS)]
    nights = [
        Sent(path.read_bytes(), {name: _score_night(path, engine) for name, engine in engines.items()})
        for path in paths
    ]
    bodies = [_cut_epoch(paths[number % N_NIGHTS], 3 + number) for number in range(N_SINGLES)]
    singles = [Sent(body, {name: _score_body(body, engine) for name, engine in engines.items()}) for body in bodies]
    return nights, singles


def _score_night(path: Path, engine: Engine) -> np.ndarray:
    return score_recording(path, engine, 8).hypnogram.probabilities


def _cut_epoch(path: Path, epoch: int) -> bytes:
    recording = read_recording(path)
    eeg = [signal for signal in recording if signal.name.startswith("EEG")][:2]
    rate_hz = eeg[0].sampling_rate_hz
    begin, end = round(30 * epoch * rate_hz), round(30 * (epoch + 1) * rate_hz)
    derivations = {one.name: [one.samples_uv[begin:end].round(2).tolist()] for one in eeg}
    return json.dumps({"sampling_rate_hz": rate_hz, "derivations": derivations}).encode()


def _score_body(body: bytes, engine: Engine) -> np.ndarray:
    (recording,), montage = parse_json(body)
    settings = engine.style.prepare
    epochs = prepare_epochs(recording, montage, settings.sampling_rate_hz, settings.mains_hz)
    return score_epochs(epochs, engine, 8).hypnogram.probabilities
