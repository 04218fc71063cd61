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
N_STEPS = 24


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    rows = draw_rows(N_STEPS * SETTINGS.train.batch_size)
    plain = train_plainly(rows)
    started = time.perf_counter()
    features = see(rows)
    seeing_s = time.perf_counter() - started
    ours, from_features = train_ours(rows), replace(rows, features=features)
    cached, compiled = train_ours(from_features), train_ours(from_features, compiled=True)
    return [
        describe("train.ratio_plain", ours / plain, "times", ">=1.5"),
        describe("train.ratio_plain_cached", compiled / plain, "times", ">=3"),
        describe("train.ratio_plain_cached_uncompiled", cached / plain, "times", None),
        describe("train.rows_per_s", ours, "rows/s, all cores, from pictures", None),
        describe("train.rows_per_s_cached", compiled, "rows/s, all cores, from cached features, train.compile", None),
        describe("train.rows_per_s_cached_uncompiled", cached, "rows/s, all cores, from cached features", None),
        describe("train.rows_per_s_plain", plain, "rows/s, all cores, Trainer and peft", None, None),
        describe("train.seeing_rows_per_s", len(rows) / seeing_s, "rows/s, once for all passes and trials", None),
        describe("train.cache_kb", features[0].nbytes / 1e3, "kB of disk a row", None, False),
    ]


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


def describe(name: str, value: float, unit: str, bar: str | None, higher_is_better: bool | None = True) -> dict:
    row = {"name": name, "value": float(value), "unit": unit, "higher_is_better": higher_is_better, "bar": bar}
    plain = "Trainer, peft, official image processor and full-vocabulary loss"
    return row | ({"ratio_to": plain} if unit == "times" else {})
