"""The card of a dataset: a README.md that people read, headed by what the Hugging Face hub and `datasets` read."""

from typing import Any

import yaml

from somnolens.aasm import STAGES, UNSCORED

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def format_card(manifest: dict[str, Any]) -> str:
    """Markdown with a YAML head, from what `dataset.json` holds.

    `datasets.load_dataset(FOLDER)` finds the shards of each split by the patterns in the head and shows the
    column `image` as pictures.
    """
    head = yaml.safe_dump(_describe(manifest), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{_introduce(manifest)}\n{_count(manifest)}\n{_explain(manifest)}"


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


def _count(manifest: dict[str, Any]) -> str:
    stages = [*STAGES, UNSCORED]
    lines = ["| split | subjects | " + " | ".join(stages) + " |", "|" + "---|" * (len(stages) + 2)]
    for split, counts in manifest["epochs"].items():
        cells = [str(counts.get(stage, 0)) for stage in stages]
        lines.append(f"| {split} | {len(manifest['subjects'][split])} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _explain(manifest: dict[str, Any]) -> str:
    return (
        "Columns: cohort, subject, night, split, epoch (from 0), onset_s (since the start of the recording), stage, "
        "scorer, quality (a word for each derivation), image (PNG), render_hash. Nights that could not be used: "
        f"{manifest['n_failed']}, each with its reason in `failures.csv`.\n\n"
        "**Licence.** The pictures show the recordings they were made from: the terms of the source cohorts apply to "
        "them, and most do not allow passing them on.\n\n"
        "**To cite.** The source cohorts, and somnolens "
        f"{manifest['code']['version']}, revision {manifest['code']['revision']}.\n"
    )
