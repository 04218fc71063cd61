"""Our training against the plain recipe, in one run: the same model, LoRA, batch and pictures on all cores.

The plain recipe is what the documentation of transformers and peft leads to: Trainer, peft, the official image
processor in the collator, and the model's own loss over its whole vocabulary at the place of the answer.
"""

import io
import tempfile
import time
from collections.abc import Iterator
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
from somnolens.train.loop import Crew, _Run, _Tally
from somnolens.train.rows import Rows
from tests.benchmarks.bench_render import prepare_night

SETTINGS = Settings(train={"n_workers": 1, "passes": 1, "read_ahead": 0})
STYLE = Style(SETTINGS.render, SETTINGS.prepare)
N_STEPS = 26
N_WARM = 2
"""Steps at the beginning that do not count: they compile, where asked to."""

WAYS = {
    "": ("rows/s, all cores, from pictures, train.compile", ">=1.5"),
    "_uncompiled": ("rows/s, all cores, from pictures", None),
    "_cached": ("rows/s, all cores, from cached features, train.compile", ">=3"),
    "_cached_uncompiled": ("rows/s, all cores, from cached features", None),
}
"""Ends of the names of rows: unit of the pace, and bar of its ratio to that of the plain recipe."""


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    rows = draw_rows(N_STEPS * SETTINGS.train.batch_size)
    started = time.perf_counter()
    features = see(rows)
    seeing_s = time.perf_counter() - started
    from_features = replace(rows, features=features)
    ways = {
        name: take_steps(from_features if "cached" in name else rows, compiled="uncompiled" not in name)
        for name in WAYS
    }
    paces = train_in_turns(rows, ways)
    return [
        *(describe_ratio(name, paces[name] / paces["plain"], bar) for name, (_, bar) in WAYS.items()),
        *(describe(f"train.rows_per_s{name}", paces[name], unit) for name, (unit, _) in WAYS.items()),
        describe("train.rows_per_s_plain", paces["plain"], "rows/s, all cores, Trainer and peft", None),
        describe("train.seeing_rows_per_s", len(rows) / seeing_s, "rows/s, once for all passes and trials"),
        describe("train.cache_kb", features[0].nbytes / 1e3, "kB of disk a row", False),
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


def take_steps(rows: Rows, compiled: bool) -> Iterator[None]:
    """Our training, a step each time it is asked for; nothing is read while others compute."""
    torch.manual_seed(0)
    looker = prepare_looker(SETTINGS, STYLE)
    attach_lora(looker, SETTINGS.train)
    if compiled:
        compile_layers(looker)
    run = _Run(looker, rows, SETTINGS.train, Crew(), wrap=lambda module: module, resume=None)
    tally = _Tally()
    for (step, places), shown in run.read_steps():
        run.take_step(step, places, shown, tally)
        yield


def train_in_turns(rows: Rows, ways: dict[str, Iterator[None]]) -> dict[str, float]:
    """Rows per second of the plain recipe, and of each of our ways, which take a step after each of its steps."""
    train = SETTINGS.train
    looker = prepare_looker(SETTINGS, STYLE)  # only its prompt and its LoRA targets are taken
    model = AutoModelForImageTextToText.from_pretrained(locate_base("embedded"), dtype=torch.float32)
    targets = looker.family.lora_targets(train.lora_targets)
    lora = LoraConfig(r=train.lora_rank, lora_alpha=train.lora_alpha, target_modules=targets)
    turns = Turns(ways)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=train.batch_size,
            max_steps=N_STEPS,
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
            callbacks=[turns],
        ).train()
    return {name: train.batch_size / float(np.median(seconds[N_WARM:])) for name, seconds in turns.seconds.items()}


class Turns(TrainerCallback):
    """Lets each of the ways take a step after each step of the Trainer, and times them all.

    So a slow second of the machine is that of a few steps of every way, and no median knows of it.
    """

    def __init__(self, ways: dict[str, Iterator[None]]) -> None:
        self.ways = ways
        self.seconds: dict[str, list[float]] = {name: [] for name in ("plain", *ways)}
        self.since = 0.0

    def on_train_begin(self, args, state, control, **more) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, args, state, control, **more) -> None:
        self._note("plain")
        for name, steps in self.ways.items():
            next(steps)
            self._note(name)

    def _note(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name].append(now - self.since)
        self.since = now


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


def describe_ratio(name: str, ratio: float, bar: str | None) -> dict:
    plain = "Trainer, peft, official image processor and full-vocabulary loss"
    return describe(f"train.ratio_plain{name}", ratio, "times") | {"bar": bar, "ratio_to": plain}


def describe(name: str, value: float, unit: str, higher_is_better: bool | None = True) -> dict:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": higher_is_better, "bar": None}
