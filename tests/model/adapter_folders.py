"""Adapter folders as training writes them, with weights of a few bytes: a registry looks at no weight."""

import json
import os
from pathlib import Path
from typing import Any

SPLITS = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
COUNTS = {"W": 3, "N1": 1, "N2": 5, "N3": 2, "R": 1}
FINISHED_S = 1_700_000_000.0
"""14 November 2023, 22:13:20 UTC."""


def make_card(**more: Any) -> dict[str, Any]:
    """A card as `somnolens.json` holds it."""
    dataset = {
        "cohorts": ["shhs"],
        "fingerprint": "0123456789ab",
        "subjects": SPLITS,
        "epochs": dict.fromkeys(SPLITS, COUNTS),
    }
    card = {
        "settings": {"train": {"lora_rank": 8, "learning_rate": 2e-3}, "render": {"preset": "strip-448"}},
        "derivations": ["C4-M1", "chin EMG"],
        "render_hash": "abcdefabcdef",
        "base_model": {"name": "lab/model", "revision": None, "fingerprint": None, "model_type": "qwen3_vl"},
        "dataset": dataset,
        "metrics": {"validation.night.kappa": 0.7, "test.night.kappa": 0.65, "test.night.loss": 0.9},
        "sequence": {"transitions": [[0.2] * 5] * 5, "shares": [0.2] * 5, "weight": 0.5},
        "code": {"version": "0.1.0", "revision": "unknown"},
    }
    return card | more


def write_adapter_folder(folder: Path, weights: bytes = b"weights", **more: Any) -> Path:
    """A PEFT folder with a card, finished at a known time."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    (folder / "adapter_model.safetensors").write_bytes(weights)
    (folder / "README.md").write_text("# Sleep staging adapter\n")
    (folder / "somnolens.json").write_text(json.dumps(make_card(**more)))
    os.utime(folder / "somnolens.json", (FINISHED_S, FINISHED_S))
    return folder
