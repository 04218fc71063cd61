"""Whether the embedded adapter's probabilities mean what they say, on subjects that nothing was fitted on.

Its weights learnt from nights of seed 1001, its temperatures from nights of seed 501; these are of seed 502.
"""

from dataclasses import replace

from somnolens.config import SimulateSettings
from somnolens.evaluate.calibration import CalibrationFigures, measure_calibration, pair_confidence
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.score.calibration import Calibration
from somnolens.score.engine import Engine, load_engine
from somnolens.simulate.night import simulate_night, subject_seed
from somnolens.simulate.subject import draw_subject

NIGHTS = SimulateSettings(n_subjects=12, hours=3.0, seed=502)


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    engine = load_engine("embedded")
    nights = [score_night(index, engine) for index in range(NIGHTS.n_subjects)]
    unfitted = replace(engine, calibration=Calibration())
    after, before = (measure_nights(one, nights) for one in (engine, unfitted))
    unit = f"expected calibration error, 15 bins, {after.n_epochs:,} epochs"
    return [
        describe("calibrate.ece", after.ece, unit, "<=0.03"),
        describe("calibrate.ece_before", before.ece, unit, None),
        describe("calibrate.brier", after.brier, "Brier score, 0 to 2", None),
        describe("calibrate.brier_before", before.brier, "Brier score, 0 to 2", None),
    ]


def score_night(index: int, engine: Engine):
    """Stage codes, and what the model reads off each picture by itself."""
    seed = subject_seed(index, NIGHTS)
    recording, hypnogram = simulate_night(draw_subject(seed), NIGHTS.hours, seed)
    epochs = prepare_epochs(recording, find_montage(recording))
    return hypnogram.codes(), engine.look(engine.draw(epochs), 32)


def measure_nights(engine: Engine, nights) -> CalibrationFigures:
    """Figures of the answers as they are told, after the night-level step."""
    return measure_calibration(pair_confidence([(codes, engine.read_night(alone)) for codes, alone in nights]))


def describe(name: str, value: float, unit: str, bar: str | None) -> dict:
    return {"name": name, "value": round(value, 4), "unit": unit, "higher_is_better": False, "bar": bar}
