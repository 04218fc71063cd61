"""What a report tells of the model behind it: the adapter's card in a few lines."""

from collections.abc import Iterator
from pathlib import PurePath

from somnolens.model.card import NOT_FOR, SPLITS, count_split
from somnolens.provenance import describe_code
from somnolens.report.adapters import find_kappa
from somnolens.score.reader import NightReader


def list_model_facts(reader: NightReader, adapter: str = "") -> list[tuple[str, str]]:
    """Name and value of each fact; subjects are counted and not named, folders shortened to their last part.

    Parameters
    ----------
    reader : NightReader
    adapter : str
        How the adapter was named: 'embedded', a folder, or REGISTRY#NAME.
    """
    return [(name, value) for name, value in _iterate(reader, adapter) if value]


def _iterate(reader: NightReader, adapter: str) -> Iterator[tuple[str, str]]:
    card, render = reader.card, reader.style.render
    yield "Adapter", shorten_place(adapter)
    yield "Base model", shorten_place(str(card.base_model.get("name", "")))
    yield "Render hash", card.render_hash
    yield "Pictures", f"style {render.preset}, {render.width_px} x {render.height_px} px"
    yield "Derivations", ", ".join(card.derivations)
    yield "Trained on", _tell_training(reader)
    yield "Agreement with scorers", _tell_kappa(reader)
    yield "Night-level step", f"weight {reader.sequence.weight:g}" if reader.sequence else "none: each epoch by itself"
    yield "Calibration", _tell_calibration(reader)
    yield "Dataset", str(card.dataset.get("fingerprint", ""))
    yield "Adapter made by", f"somnolens {card.code.get('version', '')} ({card.code.get('revision', '')})"
    yield "Report made by", "somnolens {version} ({revision})".format(**describe_code())
    yield "Not for", NOT_FOR


def shorten_place(name: str) -> str:
    """A model's name without the folders above it, which say where somebody's files lie.

    Examples
    --------
    >>> shorten_place("s3://lab/registry#wide-2026"), shorten_place("runs/a/adapter"), shorten_place("Qwen/Qwen3-VL-2B")
    ('wide-2026', 'adapter', 'Qwen/Qwen3-VL-2B')
    """
    if "#" in name:
        return name.rpartition("#")[2]
    parts = PurePath(name).parts
    return parts[-1] if len(parts) > 2 or name.startswith(("/", ".")) else name


def _tell_training(reader: NightReader) -> str:
    dataset = reader.card.dataset
    counted = [(split, *count_split(dataset, split)) for split in SPLITS]
    splits = [f"{split}: {n} subjects, {sum(counts.values()):,} epochs" for split, n, counts in counted if n]
    cohorts = ", ".join(dataset.get("cohorts", [])) or "not told"
    only = " nights only" if reader.card.trained_on_simulation_only else ""
    return "; ".join([f"{cohorts}{only}", *splits])


def _tell_kappa(reader: NightReader) -> str:
    figures = find_kappa(reader.card.metrics)
    return ", ".join(f"kappa {value:.3f} ({split})" for split, value in figures.items() if split)


def _tell_calibration(reader: NightReader) -> str:
    calibration = reader.calibration
    if not calibration.n_epochs:
        return "none: probabilities are as the model said them"
    subjects = f"{calibration.n_subjects} validation subjects, {calibration.n_epochs:,} epochs"
    return f"temperature {calibration.picture:g} (picture), {calibration.night:g} (night), on {subjects}"
