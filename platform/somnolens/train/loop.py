"""The training loop: plain PyTorch, one process or one of several, no Ray.

Every run is a function of its settings: batches are planned from seed and pass, so a run that is
resumed sees the rows an uninterrupted one would have seen.
"""

import math
import resource
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft.utils import load_peft_weights, set_peft_model_state_dict
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score
from torch import distributed

from somnolens.aasm import STAGES
from somnolens.config import TrainSettings
from somnolens.model.base import Looker
from somnolens.train.losses import measure_loss, smooth_labels
from somnolens.train.rows import Rows, plan_batches, weigh_stages

STATE_FILE = "state.pt"
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
        Makes the module data parallel and moves it to its device.
    crew : Crew
    resume : Path or None
        Folder that a `report` has saved to.
    """
    run = _Run(looker, rows, settings, crew, resume)
    parallel = wrap(looker)
    tally = _Tally()
    for step, places in run.remaining_steps():
        run.take_step(parallel, step, places, tally)
        if step in run.report_steps:
            figures = measure_stages(validation.codes, name_stages(looker, validation, crew), len(STAGES))
            report(run.describe(step) | figures | tally.close(crew.size), run.save)


class _Run:
    """Optimiser, schedule and position of one training run."""

    def __init__(self, looker: Looker, rows: Rows, settings: TrainSettings, crew: Crew, resume: Path | None) -> None:
        self.looker, self.rows, self.settings, self.crew = looker, rows, settings, crew
        assert settings.batch_size % crew.size == 0, (settings.batch_size, crew)
        self.steps_per_pass = math.ceil(len(rows) / settings.batch_size)
        self.n_steps = settings.passes * self.steps_per_pass
        weights, _ = weigh_stages(rows.codes, settings.class_weighting)
        self.weights = torch.tensor(weights, dtype=torch.float32)
        labels = rows.labels if settings.soft_labels else replace(rows, soft_labels=None).labels
        self.labels = torch.from_numpy(smooth_labels(labels, settings.neighbour_smoothing)).float()
        self.trained = [p for p in looker.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
        )
        self.step = self._restore(resume) if resume else 0

    @property
    def report_steps(self) -> set[int]:
        """Steps after which the validation rows are scored; the last is one of them."""
        n_reports = self.settings.passes * self.settings.reports_per_pass
        return {round(self.n_steps * (report + 1) / n_reports) for report in range(n_reports)}

    def remaining_steps(self):
        """Yield (step, places) of the steps still to do; the first step is 1."""
        for n_pass in range(self.settings.passes):
            batches = plan_batches(len(self.rows), self.settings.batch_size, self.settings.seed, n_pass)
            for step, places in enumerate(batches, start=n_pass * self.steps_per_pass + 1):
                if step > self.step:
                    yield step, places[self.crew.rank :: self.crew.size]

    def take_step(self, parallel: torch.nn.Module, step: int, places: np.ndarray, tally: "_Tally") -> None:
        """One optimiser step on this process's part of a batch."""
        parallel.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self._pace(step)
        self.optimiser.zero_grad()
        parts = self._share_out(places)
        loss = sum(self._add_gradient(parallel, part, len(places), part is parts[-1]) for part in parts)
        torch.nn.utils.clip_grad_norm_(self.trained, self.settings.gradient_clip)
        self.optimiser.step()
        self.step = step
        tally.add(len(places), loss)

    def _share_out(self, places: np.ndarray) -> list[np.ndarray]:
        """Rows of each forward pass of a step."""
        at_once = self.settings.rows_at_once or len(places)
        return [places[first : first + at_once] for first in range(0, len(places), at_once)]

    def _add_gradient(self, parallel: torch.nn.Module, places: np.ndarray, n_rows: int, last: bool) -> float:
        """Add the gradient of some of a step's `n_rows`; processes exchange theirs with the last ones."""
        device = self.trained[0].device
        with nullcontext() if last else getattr(parallel, "no_sync", nullcontext)():
            logits = parallel(self.rows.take(places).to(device))
            labels, weights = self.labels[places].to(device), self.weights.to(device)
            loss = measure_loss(logits, labels, weights, self.settings).sum() / n_rows
            loss.backward()
        return loss.item()

    def _pace(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a twentieth of the learning rate."""
        warm = max(1, round(self.settings.warmup_share * self.n_steps))
        if step <= warm:
            return step / warm
        return 0.05 + 0.475 * (1 + math.cos(math.pi * (step - warm) / max(1, self.n_steps - warm)))

    def describe(self, step: int) -> dict[str, Any]:
        n_reports = self.settings.passes * self.settings.reports_per_pass
        return {"step": step, "passes": step / self.steps_per_pass, "reports": round(n_reports * step / self.n_steps)}

    def save(self, folder: Path) -> None:
        """Write the LoRA weights as a PEFT folder, and the state to go on from."""
        self.looker.model.save_pretrained(str(folder))
        torch.save({"optimiser": self.optimiser.state_dict(), "step": self.step}, folder / STATE_FILE)

    def _restore(self, folder: Path) -> int:
        state = torch.load(folder / STATE_FILE, weights_only=True)
        set_peft_model_state_dict(self.looker.model, load_peft_weights(str(folder), device="cpu"))
        self.optimiser.load_state_dict(state["optimiser"])
        return state["step"]


class _Tally:
    """Loss and pace of this process since the last report."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.n_rows, self.started = 0, time.perf_counter()

    def add(self, n_rows: int, loss: float) -> None:
        self.losses.append(loss)
        self.n_rows += n_rows

    def close(self, crew_size: int) -> dict[str, float]:
        """Mean loss, rows per second of all processes, validation included, and memory of this one; starts anew."""
        seconds = time.perf_counter() - self.started
        figures = {"loss": float(np.mean(self.losses)), "rows_per_s": self.n_rows * crew_size / seconds}
        figures |= measure_memory()
        self.__init__()
        return figures


def measure_memory() -> dict[str, float]:
    """The most memory that this process has taken so far, on the host and on its GPU."""
    units_per_gb = 2**30 if sys.platform == "darwin" else 2**20
    host = {"memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_gb}
    return host | ({"gpu_memory_gb": torch.cuda.max_memory_allocated() / 2**30} if torch.cuda.is_available() else {})


@torch.inference_mode()
def score_rows(looker: Looker, rows: Rows, places: np.ndarray) -> np.ndarray:
    """Stage probabilities of some rows, shape (n_places, 5)."""
    looker.eval()
    device = next(looker.parameters()).device
    parts = [
        looker(rows.take(places[first : first + _SCORING_BATCH]).to(device)).softmax(-1).cpu().numpy()
        for first in range(0, len(places), _SCORING_BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(STAGES)))


def name_stages(looker: Looker, rows: Rows, crew: Crew) -> np.ndarray:
    """Most probable stage of every row, shape (n_rows,); the processes share the work and all get the answer."""
    mine = np.arange(crew.rank, len(rows), crew.size)
    named = score_rows(looker, rows, mine).argmax(1)
    if crew.size == 1:
        return named
    parts: list[np.ndarray] = [np.empty(0)] * crew.size
    distributed.all_gather_object(parts, named)
    together = np.empty(len(rows), dtype=np.int64)
    for rank, part in enumerate(parts):
        together[rank :: crew.size] = part
    return together


def measure_stages(codes: np.ndarray, named: np.ndarray, n_stages: int) -> dict[str, float]:
    """Accuracy, macro-F1 and Cohen's kappa of named against true stage codes."""
    labels = list(range(n_stages))
    kappa = cohen_kappa_score(codes, named, labels=labels) if len(set(codes) | set(named)) > 1 else 0.0
    return {
        "kappa": float(kappa),
        "macro_f1": float(f1_score(codes, named, labels=labels, average="macro", zero_division=0)),
        "accuracy": float(accuracy_score(codes, named)),
    }
