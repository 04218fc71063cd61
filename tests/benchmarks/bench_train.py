"""Our training against the plain recipe, in one run: the same model, LoRA, batch and pictures on all cores.

The plain recipe is what the documentation of transformers and peft leads to: Trainer, peft, the official image
processor in the collator, and the model's own loss over its whole vocabulary at the place of the answer.
"""

import io
import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, Trainer, TrainerCallback, TrainingArguments

from somnolens.aasm import STAGES
from somnolens.config import Settings
from somnolens.model.adapters import attach_lora, compile_layers, prepare_looker
from somnolens.model.base import locate_base
from somnolens.render.pictures import render_signals
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.train.loop import run_training
from somnolens.train.rows import Rows
from tests.benchmarks.bench_render import prepare_night

SETTINGS = Settings(train={"n_workers": 1, "passes": 1})
STYLE = Style(SETTINGS.render, SETTINGS.prepare)
N_STEPS = 12
N_ROUNDS = 3
"""In each of them all ways are measured, so that a slow minute of the machine is one round's."""

RATIOS = {"": ">=1.5", "_uncompiled": None, "_cached": ">=3", "_cached_uncompiled": None}
RATES = {
    "": "rows/s, all cores, from pictures, train.compile",
    "_uncompiled": "rows/s, all cores, from pictures",
    "_cached": "rows/s, all cores, from cached features, train.compile",
    "_cached_uncompiled": "rows/s, all cores, from cached features",
}


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    rows = draw_rows(N_STEPS * SETTINGS.train.batch_size)
    started = time.perf_counter()
    features = see(rows)
    seeing_s = time.perf_counter() - started
    from_features = replace(rows, features=features)
    ways = {
        "plain": lambda: train_plainly(rows),
        "_uncompiled": lambda: train_ours(rows),
        "": lambda: train_ours(rows, compiled=True),
        "_cached_uncompiled": lambda: train_ours(from_features),
        "_cached": lambda: train_ours(from_features, compiled=True),
    }
    rounds = [{name: train() for name, train in ways.items()} for _ in range(N_ROUNDS)]
    return [
        *(describe_ratio(name, rounds, bar) for name, bar in RATIOS.items()),
        *(describe(f"train.rows_per_s{name}", take_median(rounds, name), told) for name, told in RATES.items()),
        describe("train.rows_per_s_plain", take_median(rounds, "plain"), "rows/s, all cores, Trainer and peft", None),
        describe("train.seeing_rows_per_s", len(rows) / seeing_s, "rows/s, once for all passes and trials"),
        describe("train.cache_kb", features[0].nbytes / 1e3, "kB of disk a row", False),
    ]


def take_median(rounds: list[dict[str, float]], name: str, base: str | None = None) -> float:
    """Of what the rounds measured; with a base, of the ratios to what each round measured of that."""
    return float(np.median([one[name] / (one[base] if base else 1) for one in rounds]))


def draw_rows(n_rows: int) -> Rows:
    signals_uv = np.resize(prepare_night(), (n_rows, 6, 3000))
    pictures = render_signals(signals_uv, np.ones(6, bool), STYLE)
    return Rows(np.arange(n_rows) % len(STAGES), [encode_png(picture, STYLE.palette) for picture in pictures])


@torch.inference_mode()
def see(rows: Rows) -> np.ndarray:
    looker = prepare_looker(SETTINGS, STYLE).eval()
    batches = np.array_split(np.arange(len(rows)), len(rows) // 32)
    return np.concatenate([looker.see(rows.take(places)).half().numpy() for places in batches])


def train_ours(rows: Rows, compiled: bool = False) -> float:
    """Rows per second of one pass, after a first step that is not counted: it compiles, where asked to."""
    torch.manual_seed(0)
    looker = prepare_looker(SETTINGS, STYLE)
    attach_lora(looker, SETTINGS.train)
    if compiled:
        compile_layers(looker)
    paces = []
    for some in (rows.pick(np.arange(SETTINGS.train.batch_size)), rows):
        one = some.pick(np.arange(1))
        run_training(looker, some, one, SETTINGS.train, lambda figures, save: paces.append(figures["rows_per_s"]))
    return paces[-1]


def train_plainly(rows: Rows) -> float:
    """The same number of steps by the plain recipe; its first step is not counted."""
    train = SETTINGS.train
    looker = prepare_looker(SETTINGS, STYLE)  # only its prompt and its LoRA targets are taken
    model = AutoModelForImageTextToText.from_pretrained(locate_base("embedded"), dtype=torch.float32)
    targets = looker.family.lora_targets(train.lora_targets)
    lora = LoraConfig(r=train.lora_rank, lora_alpha=train.lora_alpha, target_modules=targets)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=train.batch_size,
            max_steps=N_STEPS + 1,
            learning_rate=train.learning_rate,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            remove_unused_columns=False,
            disable_tqdm=True,
        )
        data = [{"image": image, "code": int(code)} for image, code in zip(rows.images, rows.codes, strict=True)]
        Trainer(
            model=get_peft_model(model, lora),
            args=arguments,
            train_dataset=data,
            data_collator=Collator(looker.prompt_ids.tolist(), looker.class_token_ids.tolist(), model.config),
            callbacks=[clock],
        ).train()
    return N_STEPS * train.batch_size / (clock.ended[-1] - clock.ended[0])


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_step_end(self, args, state, control, **more) -> None:
        self.ended.append(time.perf_counter())


class Collator:
    """Pictures through the official image processor; the loss looks at the answer alone."""

    def __init__(self, prompt_ids: list[int], class_token_ids: list[int], config: Any) -> None:
        self.processor = AutoImageProcessor.from_pretrained(locate_base("embedded"))
        self.prompt_ids, self.class_token_ids, self.config = prompt_ids, class_token_ids, config

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        images = [Image.open(io.BytesIO(row["image"])).convert("RGB") for row in rows]
        pixels = self.processor(images=images, return_tensors="pt")
        answers = [self.class_token_ids[row["code"]] for row in rows]
        input_ids = torch.tensor([[*self.prompt_ids, answer] for answer in answers])
        labels = torch.full_like(input_ids, -100)
        labels[:, -1] = input_ids[:, -1]
        of_image = (input_ids == self.config.image_token_id).int()
        ids = {"input_ids": input_ids, "labels": labels, "mm_token_type_ids": of_image}
        return ids | {"attention_mask": torch.ones_like(input_ids), **pixels}


def describe_ratio(name: str, rounds: list[dict[str, float]], bar: str | None) -> dict:
    row = describe(f"train.ratio_plain{name}", take_median(rounds, name, "plain"), "times")
    plain = "Trainer, peft, official image processor and full-vocabulary loss"
    return row | {"bar": bar, "ratio_to": plain}


def describe(name: str, value: float, unit: str, higher_is_better: bool | None = True) -> dict:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": higher_is_better, "bar": None}
