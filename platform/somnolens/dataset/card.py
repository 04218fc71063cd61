"""The card of a dataset: a README.md that people read, headed by what the Hugging Face hub and `datasets` read."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from somnolens.aasm import STAGES, UNSCORED
from somnolens.epochs import QUALITY

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def format_card(
    manifest: dict[str, Any],
    statistics: Sequence[dict[str, Any]],
    quality: Sequence[dict[str, Any]],
    sheets: Mapping[tuple[str, str], str],
) -> str:
    """Markdown with a YAML head.

    `datasets.load_dataset(FOLDER)` finds the shards of each split by the patterns in the head and shows the
    column `image` as pictures.

    Parameters
    ----------
    manifest : dict
        What `dataset.json` holds.
    statistics, quality : sequence of dict
        Lines of `statistics.csv` and `quality.csv`.
    sheets : mapping
        Files of the contact sheets by cohort and stage.
    """
    head = yaml.safe_dump(_describe(manifest), sort_keys=False, allow_unicode=True)
    parts = [
        _introduce(manifest),
        _count(manifest, statistics),
        _tell_quality(quality),
        _explain(manifest),
        _show(sheets),
    ]
    return f"---\n{head}---\n\n" + "\n".join(parts)


def _describe(manifest: dict[str, Any]) -> dict[str, Any]:
    n_epochs = sum(sum(counts.values()) for counts in manifest["epochs"].values())
    splits = [split for split, counts in manifest["epochs"].items() if counts]
    return {
        "pretty_name": f"Epochs of {', '.join(manifest['cohorts'])}",
        "license": "other",
        "license_name": "as-the-source-cohorts",
        "task_categories": ["image-classification"],
        "tags": ["sleep", "polysomnography", "eeg", "somnolens"],
        "size_categories": [next((name for most, name in _SIZES if n_epochs < most), "1M<n<10M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"shards/{split}/*/*.parquet"} for split in splits],
            }
        ],
    }


def _introduce(manifest: dict[str, Any]) -> str:
    render = manifest["settings"]["render"]
    n_subjects = sum(len(names) for names in manifest["subjects"].values())
    return (
        f"# {', '.join(manifest['cohorts'])}, drawn by somnolens\n\n"
        f"{len(manifest['nights'])} nights of {n_subjects} subjects, one picture for each 30-s epoch of sleep: "
        f"{render['width_px']} x {render['height_px']} px, style `{render['preset']}`, render hash "
        f"`{manifest['render_hash']}`, top to bottom {', '.join(manifest['derivations'])}. "
        "Splits are by subject.\n"
    )


def _count(manifest: dict[str, Any], statistics: Sequence[dict[str, Any]]) -> str:
    """Epochs by split; hours by cohort are the part of `statistics.csv` that a reader asks for next."""
    stages = [*STAGES, UNSCORED]
    rows = [
        [split, len(manifest["subjects"][split]), *(counts.get(stage, 0) for stage in stages)]
        for split, counts in manifest["epochs"].items()
    ]
    hours: dict[str, float] = {}
    for line in statistics:
        hours[line["cohort"]] = hours.get(line["cohort"], 0.0) + line["hours"]
    told = ", ".join(f"{cohort} {n:,.1f}" for cohort, n in hours.items())
    return (
        f"{_format_table(['split', 'subjects', *stages], rows)}\n"
        f"Hours: {told}. By cohort, split and stage in `statistics.csv`.\n"
    )


def _tell_quality(quality: Sequence[dict[str, Any]]) -> str:
    """Shares; the counts are in `quality.csv`."""
    rows = []
    for line in quality:
        n_epochs = sum(line[word] for word in QUALITY)
        rows.append([line["cohort"], line["derivation"], *(f"{line[word] / n_epochs:.1%}" for word in QUALITY)])
    head = ["cohort", "derivation", *QUALITY]
    return f"Quality of the epochs; counts in `quality.csv`.\n\n{_format_table(head, rows)}"


def _show(sheets: Mapping[tuple[str, str], str]) -> str:
    pictures = [f"![{cohort}: {stage}]({name})\n" for (cohort, stage), name in sheets.items()]
    return "## Contact sheets\n\n" + "\n".join(pictures)


def _format_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _explain(manifest: dict[str, Any]) -> str:
    return (
        "Columns: cohort, subject, night, split, epoch (from 0), onset_s (since the start of the recording), stage, "
        "scorer, scorers and scorer_stages (each scorer's own), soft_label (share of the scorers for W, N1, N2, N3, "
        "R), quality (a word for each derivation), image (PNG), render_hash. Nights that could not be used: "
        f"{manifest['n_failed']}, each with its reason in `failures.csv`.\n\n"
        "**Licence.** The pictures show the recordings they were made from: the terms of the source cohorts apply to "
        "them, and most do not allow passing them on.\n\n"
        "**To cite.** The source cohorts, and somnolens "
        f"{manifest['code']['version']}, revision {manifest['code']['revision']}.\n"
    )
