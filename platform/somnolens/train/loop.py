"""The training loop: plain PyTorch, one process or one of several, no Ray.

Every run is a function of its settings: batches are planned from seed and pass, so a run that is
resumed sees the rows an uninterrupted one would have seen.
"""

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft.utils import load_peft_weights, set_peft_model_state_dict
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score
from torch import distributed
from torch.distributed.tensor import DTensor

from somnolens.aasm import STAGES
from somnolens.config import TrainSettings
from somnolens.model.base import Looker
from somnolens.model.card import STATE_FILE
from somnolens.model.lanes import plan_lanes, run_lanes
from somnolens.train.ahead import read_ahead
from somnolens.train.losses import measure_loss, smooth_labels
from somnolens.train.rows import Rows, plan_batches, weigh_stages
from somnolens.train.sharding import gather_state, gather_weights, is_sharded, restore_state

_SCORING_BATCH = 64


@dataclass(frozen=True)
class Crew:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1


Report = Callable[[dict[str, Any], Callable[[Path], None]], None]
"""Called by every process at each validation, with the figures and a function that saves the state to a folder."""


def run_training(
    looker: Looker,
    rows: Rows,
    validation: Rows,
    settings: TrainSettings,
    report: Report,
    wrap: Callable[[torch.nn.Module], torch.nn.Module] = lambda module: module,
    crew: Crew = Crew(),
    resume: Path | None = None,
) -> None:
    """Fine-tune the LoRA weights of a looker, in place.

    Parameters
    ----------
    looker : Looker
        With `attach_lora` done.
    rows, validation : Rows
        All rows; each process takes its part of every batch.
    settings : TrainSettings
    report : callable
        See `Report`.
    wrap : callable
        Makes the module data parallel, or shards it, and moves it to its device.
    crew : Crew
    resume : Path or None
        Folder that a `report` has saved to.
    """
    run = _Run(looker, rows, settings, crew, wrap, resume)
    tally = _Tally()
    for (step, places), shown in run.read_steps():
        run.take_step(step, places, shown, tally)
        if step in run.report_steps:
            named = name_stages(looker, validation, crew, settings.read_ahead)
            figures = measure_stages(validation.codes, named, len(STAGES))
            report(run.describe(step) | figures | tally.close(crew), run.keep())


class _Run:
    """Optimiser, schedule and position of one training run."""

    def __init__(
        self,
        looker: Looker,
        rows: Rows,
        settings: TrainSettings,
        crew: Crew,
        wrap: Callable[[torch.nn.Module], torch.nn.Module],
        resume: Path | None,
    ) -> None:
        self.looker, self.rows, self.settings, self.crew = looker, rows, settings, crew
        self.steps_per_pass = math.ceil(len(rows) / settings.batch_size)
        self.n_steps = settings.passes * self.steps_per_pass
        weights, _ = weigh_stages(rows.codes, settings.class_weighting, settings.sampling)
        self.weights = torch.tensor(weights, dtype=torch.float32)
        labels = rows.labels if settings.soft_labels else replace(rows, soft_labels=None).labels
        self.labels = torch.from_numpy(smooth_labels(labels, settings.neighbour_smoothing)).float()
        if resume:
            set_peft_model_state_dict(looker.model, load_peft_weights(str(resume), device="cpu"))
        self.parallel = wrap(looker)
        self.trained = [p for p in looker.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self.trained, settings)
        self.step = self._restore(resume) if resume else 0

    @property
    def report_steps(self) -> set[int]:
        """Steps after which the validation rows are scored; the last is one of them."""
        n_reports = self.settings.passes * self.settings.reports_per_pass
        return {round(self.n_steps * (report + 1) / n_reports) for report in range(n_reports)}

    def remaining_steps(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (step, places) of the steps still to do; the first step is 1."""
        train = self.settings
        balance = self.rows.codes if train.sampling == "balanced" else None
        for n_pass in range(self.step // self.steps_per_pass, train.passes):
            batches = plan_batches(len(self.rows), train.batch_size, train.seed, n_pass, balance)
            for step, places in enumerate(batches, start=n_pass * self.steps_per_pass + 1):
                if step > self.step:
                    yield step, places[self.crew.rank :: self.crew.size]

    def read_steps(self) -> Iterator[tuple[tuple[int, np.ndarray], list[torch.Tensor]]]:
        """The remaining steps, each with what the model is shown in its forward passes, read in the background."""

        def read(step: tuple[int, np.ndarray]) -> list[torch.Tensor]:
            return [_pin(self.rows.take(part)) for part in self._share_out(step[1])]

        return read_ahead(self.remaining_steps(), read, self.settings.read_ahead)

    def take_step(self, step: int, places: np.ndarray, shown: list[torch.Tensor], tally: "_Tally") -> None:
        """One optimiser step on this process's part of a batch."""
        self.parallel.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self._pace(step)
        self.optimiser.zero_grad()
        parts = list(zip(self._share_out(places), shown, strict=True))
        loss = sum(self._add_gradient(*part, part is parts[-1]) for part in parts)
        torch.nn.utils.clip_grad_norm_(self.trained, self.settings.gradient_clip)
        self.optimiser.step()
        self.step = step
        tally.add(len(places), loss)

    def _share_out(self, places: np.ndarray) -> list[np.ndarray]:
        """Rows of each forward pass of a step; as many passes in every process, which may wait for each other."""
        smallest, left = divmod(self.settings.batch_size, self.crew.size)
        largest = smallest + (left > 0)
        n_parts = math.ceil(largest / (self.settings.rows_at_once or largest))
        return np.array_split(places, min(n_parts, smallest))

    def _add_gradient(self, places: np.ndarray, shown: torch.Tensor, last: bool) -> float:
        """Add the gradient of some of a step's rows; processes exchange theirs with the last ones."""
        lanes = self._plan_lanes(len(places))
        if len(lanes) > 1:
            return self._add_gradients_of_lanes(places, shown, lanes)
        with nullcontext() if last else getattr(self.parallel, "no_sync", nullcontext)():
            loss = self._measure_share(places, shown)
            loss.backward()
        return loss.item()

    def _plan_lanes(self, n_rows: int) -> list[slice]:
        """Threads share rows out where nobody waits for this process; what dropout draws would not tell their order."""
        if self.parallel is not self.looker or self.settings.lora_dropout:
            return [slice(0, n_rows)]
        return plan_lanes(n_rows, n_rows, self.trained[0].device)

    def _add_gradients_of_lanes(self, places: np.ndarray, shown: torch.Tensor, lanes: list[slice]) -> float:
        """Gradients of the lanes are added in their order, so that a run ends as it did before."""

        def differentiate(lane: slice) -> tuple[float, tuple[torch.Tensor | None, ...]]:
            loss = self._measure_share(places[lane], shown[lane])
            return loss.item(), torch.autograd.grad(loss, self.trained, allow_unused=True)

        losses, gradients = zip(*run_lanes(differentiate, lanes), strict=True)
        for weight, *of_lanes in zip(self.trained, *gradients, strict=True):
            for gradient in of_lanes:
                if gradient is not None:
                    weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return sum(losses)

    def _measure_share(self, places: np.ndarray, shown: torch.Tensor) -> torch.Tensor:
        """What some rows add to the loss of a step.

        Each row counts as one of the whole batch, and processes are averaged: so shares need not be equal.
        """
        device = self.trained[0].device
        logits = self.parallel(shown.to(device, non_blocking=True))
        labels, weights = self.labels[places].to(device), self.weights.to(device)
        losses = measure_loss(logits, labels, weights, self.settings)
        return losses.sum() * self.crew.size / self.settings.batch_size

    def _pace(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a twentieth of the learning rate."""
        warm = max(1, round(self.settings.warmup_share * self.n_steps))
        if step <= warm:
            return step / warm
        return 0.05 + 0.475 * (1 + math.cos(math.pi * (step - warm) / max(1, self.n_steps - warm)))

    def describe(self, step: int) -> dict[str, Any]:
        n_reports = self.settings.passes * self.settings.reports_per_pass
        return {"step": step, "passes": step / self.steps_per_pass, "reports": round(n_reports * step / self.n_steps)}

    def keep(self) -> Callable[[Path], None]:
        """Take hold of weights and optimiser as they are now, all processes together; the answer writes them.

        What is written is a PEFT folder, and the state to go on from; it does not tell how many processes there were.
        """
        weights, state, step = gather_weights(self.looker), gather_state(self.optimiser), self.step

        def save(folder: Path) -> None:
            self.looker.model.save_pretrained(str(folder), state_dict=weights, save_embedding_layers=False)
            torch.save({"optimiser": state, "step": step}, folder / STATE_FILE)

        return save

    def _restore(self, folder: Path) -> int:
        state = torch.load(folder / STATE_FILE, weights_only=True)
        restore_state(self.optimiser, state["optimiser"])
        return state["step"]


def make_optimiser(trained: Sequence[torch.nn.Parameter], settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW in one kernel for all weights; of a sharded model, weight after weight."""
    return torch.optim.AdamW(
        trained,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        betas=(0.9, 0.98),
        fused=not any(isinstance(weight, DTensor) for weight in trained),
    )


def _pin(shown: torch.Tensor) -> torch.Tensor:
    """Where a GPU copies from without making the processor wait."""
    return shown.pin_memory() if torch.cuda.is_available() else shown


class _Tally:
    """Loss and pace of this process since the last report."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.n_rows, self.started = 0, time.perf_counter()

    def add(self, n_rows: int, loss: float) -> None:
        self.losses.append(loss)
        self.n_rows += n_rows

    def close(self, crew: Crew) -> dict[str, float]:
        """Mean loss and rows per second of all processes, validation included, and memory of this one; starts anew."""
        seconds = time.perf_counter() - self.started
        sums = _add_up([float(np.mean(self.losses)) / crew.size, self.n_rows], crew)
        figures = {"loss": sums[0], "rows_per_s": sums[1] / seconds} | measure_memory()
        self.__init__()
        return figures


def _add_up(numbers: list[float], crew: Crew) -> list[float]:
    """Sums of what the processes have."""
    if crew.size == 1:
        return numbers
    of_all: list[list[float]] = [[]] * crew.size
    distributed.all_gather_object(of_all, numbers)
    return [sum(of_each) for of_each in zip(*of_all, strict=True)]


def measure_memory() -> dict[str, float]:
    """The most memory that this process has taken so far, on the host and on its GPU."""
    units_per_gb = 2**30 if sys.platform == "darwin" else 2**20
    host = {"memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_gb}
    return host | ({"gpu_memory_gb": torch.cuda.max_memory_allocated() / 2**30} if torch.cuda.is_available() else {})


def score_rows(looker: Looker, rows: Rows, places: np.ndarray, n_ahead: int = 0) -> np.ndarray:
    """Stage probabilities of some rows, shape (n_places, 5); `n_ahead` batches are read in the background."""
    looker.eval()
    device = next(looker.parameters()).device
    parts = [places[first : first + _SCORING_BATCH] for first in range(0, len(places), _SCORING_BATCH)]

    def look(shown: torch.Tensor) -> np.ndarray:
        with torch.no_grad() if is_sharded(looker) else torch.inference_mode():
            return looker(shown.to(device, non_blocking=True)).softmax(-1).cpu().numpy()

    scored: list[np.ndarray] = []
    for part, shown in read_ahead(parts, lambda part: _pin(rows.take(part)), n_ahead):
        lanes = [slice(0, len(part))] if is_sharded(looker) else plan_lanes(len(part), len(part), device)
        scored += run_lanes(lambda lane, shown=shown: look(shown[lane]), lanes)
    return np.concatenate(scored) if scored else np.empty((0, len(STAGES)))


def name_stages(looker: Looker, rows: Rows, crew: Crew, n_ahead: int = 0) -> np.ndarray:
    """Most probable stage of every row, shape (n_rows,); the processes share the work and all get the answer.

    They score as many rows each, some of them twice: parts of a sharded model wait for each other.
    """
    n_each = math.ceil(len(rows) / crew.size)
    mine = (crew.rank + crew.size * np.arange(n_each)) % len(rows)
    named = score_rows(looker, rows, mine, n_ahead).argmax(1)
    if crew.size == 1:
        return named
    parts: list[np.ndarray] = [np.empty(0)] * crew.size
    distributed.all_gather_object(parts, named)
    return np.stack(parts, axis=1).ravel()[: len(rows)]


def measure_stages(codes: np.ndarray, named: np.ndarray, n_stages: int) -> dict[str, float]:
    """Accuracy, macro-F1 and Cohen's kappa of named against true stage codes."""
    labels = list(range(n_stages))
    kappa = cohen_kappa_score(codes, named, labels=labels) if len(set(codes) | set(named)) > 1 else 0.0
    return {
        "kappa": float(kappa),
        "macro_f1": float(f1_score(codes, named, labels=labels, average="macro", zero_division=0)),
        "accuracy": float(accuracy_score(codes, named)),
    }
