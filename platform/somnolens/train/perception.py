"""Perception: pictures of waves, and questions about them. All weights of the embedded model learnt from them; the
LoRA weights of any base model may, before they learn to stage.

Many questions about one picture stand in one sequence, so one forward pass learns from them all.
The loss is a cross-entropy over the ten digits at each answer; no other token is ever trained to
be likely or unlikely, the stage names least of all.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from somnolens.config import TrainSettings
from somnolens.errors import BaseModelError
from somnolens.model.architecture import IMAGE_PROCESSOR
from somnolens.model.base import Looker
from somnolens.model.families import find_family
from somnolens.model.family import Family
from somnolens.model.narrowing import answer_everywhere
from somnolens.model.prompt import encode_prompt
from somnolens.render.pictures import render_signals
from somnolens.render.style import Style
from somnolens.simulate.perception import BANDS, N_WINDOWS, Puzzle, make_puzzle

PROMPT = "Read the picture."
_REFERENCE_UV_PER_PX = 2.5


@dataclass(frozen=True)
class PerceptionPlan:
    """How long and how hard to train; the defaults made the weights in the package."""

    n_steps: int = 2000
    stop_at: int = 2000
    batch_size: int = 16
    n_questions: int = 8
    matrix_rate: float = 3e-3
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.05
    seed: int = 2024


class PuzzleStream(IterableDataset):
    """Endless batches of pictures with their question tokens, drawn from a seed per worker."""

    def __init__(self, style: Style, digits: dict[str, int], plan: PerceptionPlan) -> None:
        self.style, self.words, self.plan = style, digits, plan

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.plan.seed, worker.id if worker else 0])
        while True:
            puzzles = [make_puzzle(rng, self.plan.n_questions) for _ in range(self.plan.batch_size)]
            yield self._collate(puzzles)

    def _collate(self, puzzles: list[Puzzle]) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        scale = (self.style.uv_per_px / _REFERENCE_UV_PER_PX)[:, None]
        pictures = np.concatenate([render_signals(p.signals_uv[None] * scale, p.present, self.style) for p in puzzles])
        tokens = [[self.words[word] for q in p.questions for word in str(q).split()] for p in puzzles]
        kinds = [q.kind for p in puzzles for q in p.questions for _ in q.answers]
        return torch.from_numpy(pictures), torch.tensor(tokens), kinds


def find_answers(n_lines: int, n_tokens: int) -> list[bool]:
    """Which tokens of a puzzle's questions are answers: lines first, then single questions of five tokens."""
    line = [False] * 3 + [True] * N_WINDOWS
    single = [False] * 4 + [True]
    n_single = (n_tokens - n_lines * len(line)) // len(single)
    return line * n_lines + single * n_single


def index_words(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Token of each word a question is made of: where a word is several, one of them that stands for no other word.

    Raises
    ------
    BaseModelError
        Where a word has no token of its own.
    """
    kinds = ("amplitude", "frequency", "burst", "share", "count", "where", "rhythm", "together", "band")
    words = (*map(str, range(10)), *BANDS, "=", *kinds)
    ids: dict[str, int] = {}
    for word in words:
        tokens = tokenizer(" " + word, add_special_tokens=False).input_ids
        free = [token for token in reversed(tokens) if token not in ids.values()]
        if not free:
            raise BaseModelError(
                f"The tokenizer of the base model has no token of its own for {word!r}, a word of the questions about "
                "waves. Leave phase one out: train.phase_one_steps=0."
            )
        ids[word] = free[0]
    return ids


def pretrain_perception(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    style: Style,
    plan: PerceptionPlan,
    report: Callable[[dict[str, Any]], None],
    report_every: int = 50,
) -> None:
    """Train all weights in place; `report` gets loss, pictures per second and accuracy by kind of question."""
    words = index_words(tokenizer)
    loader = DataLoader(PuzzleStream(style, words, plan), batch_size=None, num_workers=1, prefetch_factor=4)
    ask = _Asker(model, find_family(model, IMAGE_PROCESSOR), tokenizer, style, words)
    optimisers = _make_optimisers(model, plan)
    paces = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: _warm_then_cool(step, plan)) for one in optimisers]
    tally, started = _Tally(), time.monotonic()
    model.train()
    for step, (pictures, tokens, kinds) in zip(range(1, plan.stop_at + 1), loader, strict=False):
        logits, answers = ask(pictures, tokens)
        loss = functional.cross_entropy(logits, answers)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in (*optimisers, *paces):
            part.step()
        tally.add(kinds, (logits.argmax(-1) == answers).tolist(), loss.item())
        if step % report_every == 0 or step == plan.stop_at:
            n_pictures = step * plan.batch_size
            pace = n_pictures / (time.monotonic() - started)
            report({"step": step, "pictures": n_pictures, "pictures_per_s": round(pace, 1)} | tally.close())


def practise_perception(
    looker: Looker, tokenizer: PreTrainedTokenizerBase, style: Style, settings: TrainSettings, rank: int = 0
) -> list[float]:
    """Phase one of two: the LoRA weights of a looker learn to read waves, in place, before they learn to stage.

    No stage is asked for and none is named. Workers of one run are given puzzles of their own, and share what they
    learn.

    Parameters
    ----------
    looker : Looker
        With `attach_lora` done, on its device.
    settings : TrainSettings
        `phase_one_steps` of `batch_size` pictures each, all workers together.
    rank : int
        Of this worker.

    Returns
    -------
    list of float
        Loss of each step on this worker's own puzzles; chance is the logarithm of ten.
    """
    n_rows = settings.batch_size // settings.n_workers
    plan = PerceptionPlan(n_steps=settings.phase_one_steps, batch_size=n_rows, seed=settings.seed + rank)
    words = index_words(tokenizer)
    ask = _Asker(looker.model, looker.family, tokenizer, style, words)
    trained = [weights for weights in looker.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _warm_then_cool(step, plan))
    loader = DataLoader(PuzzleStream(style, words, plan), batch_size=None, num_workers=1, prefetch_factor=2)
    losses = []
    looker.train()
    with answer_everywhere(looker.model):
        for _, (pictures, tokens, _) in zip(range(plan.n_steps), loader, strict=False):
            loss = functional.cross_entropy(*ask(pictures, tokens))
            optimiser.zero_grad()
            loss.backward()
            _share_gradients(trained)
            torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
            optimiser.step()
            pace.step()
            losses.append(loss.item())
    return losses


def _share_gradients(weights: list[torch.Tensor]) -> None:
    """The mean over the workers that train together, where there is more than one."""
    if distributed.is_initialized() and distributed.get_world_size() > 1:
        for one in weights:
            distributed.all_reduce(one.grad)
            one.grad /= distributed.get_world_size()


class _Asker:
    """Runs a model over pictures and question tokens; returns digit logits at every answer."""

    def __init__(
        self,
        model: torch.nn.Module,
        family: Family,
        tokenizer: PreTrainedTokenizerBase,
        style: Style,
        words: dict[str, int],
    ) -> None:
        self.model, self.family = model, family
        self.digits = [words[str(digit)] for digit in range(10)]
        image_token = self.family.name_image_token(tokenizer)
        picture = self.family.write_picture(tokenizer, *style.shape_px)
        self.prompt = torch.tensor(encode_prompt(tokenizer, PROMPT, image_token, picture))
        self.palette = torch.from_numpy(style.palette)

    def __call__(self, pictures: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(self.model.parameters()).device
        pixels = self.family.make_pixels(pictures.to(device), self.palette.to(device))
        input_ids = torch.cat([self.prompt.expand(len(tokens), -1), tokens], dim=1).to(device)
        fixed = self.family.fix_positions(input_ids, tuple(pictures.shape[1:]))
        is_answer = torch.tensor(find_answers(len(BANDS), tokens.shape[1]))
        before_answers = torch.nonzero(is_answer).flatten() + len(self.prompt) - 1
        logits = self.model(
            input_ids=input_ids, logits_to_keep=before_answers.to(device), use_cache=False, **pixels, **fixed
        ).logits
        answers = tokens[:, is_answer].to(device)
        digit_of = torch.full((int(max(self.digits)) + 1,), -1, device=device)
        digit_of[self.digits] = torch.arange(10, device=device)
        return logits[:, :, self.digits].flatten(0, 1).float(), digit_of[answers].flatten()


def _make_optimisers(model: PreTrainedModel, plan: PerceptionPlan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, AdamW for what stands at the edges: embeddings, norms, biases."""
    inside = [name for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    edge = {name: p for name, p in model.named_parameters() if name not in inside}
    groups = [
        {"params": [p for p in edge.values() if p.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [p for p in edge.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    muon = torch.optim.Muon(
        [model.get_parameter(name) for name in inside],
        lr=plan.matrix_rate,
        weight_decay=plan.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.95))]


def _warm_then_cool(step: int, plan: PerceptionPlan) -> float:
    """Linear warm-up, then a cosine down to 2 % of the learning rate."""
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    done = (step - plan.warmup_steps) / max(1, plan.n_steps - plan.warmup_steps)
    return 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * min(done, 1)))


class _Tally:
    """Counts right answers by kind since the last report."""

    def __init__(self) -> None:
        self.right: dict[str, list[bool]] = {}
        self.losses: list[float] = []

    def add(self, kinds: list[str], right: list[bool], loss: float) -> None:
        self.losses.append(loss)
        for kind, hit in zip(kinds, right, strict=True):
            self.right.setdefault(kind, []).append(hit)

    def close(self) -> dict[str, Any]:
        """Mean loss and accuracy by kind; starts counting anew."""
        accuracy = {kind: round(float(np.mean(hits)), 3) for kind, hits in sorted(self.right.items())}
        row = {"loss": round(float(np.mean(self.losses)), 4), "accuracy": accuracy}
        self.right, self.losses = {}, []
        return row
