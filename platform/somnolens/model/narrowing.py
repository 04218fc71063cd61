"""The same numbers with less work.

The answer is one token at one position: what the last decoder layer makes of every other position is never looked
at, but for the keys and values that the answer attends to. Its queries, its output and its MLP are of one position.
And peft scales and adds a LoRA module's output at full width, where its narrow middle can be scaled and the addition be
part of the product. Activations are bent by what a processor bends fastest.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, PretrainedConfig
from transformers.activations import GELUTanh
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

LAST_QUERY = "somnolens_last_query"
"""Name among the attention functions of transformers."""


def answer_last_position_only(layer: nn.Module) -> None:
    """Let the last decoder layer, in place, answer for the last position alone.

    Its modules, their names and weights stay as they are, so that LoRA finds them.

    Parameters
    ----------
    layer : Module
        With `self_attn`, an attention of transformers, and `mlp`.
    """
    ask_with_last_position_only(layer.self_attn)
    keep_last_position_only(layer.mlp)


def ask_with_last_position_only(attention: nn.Module) -> None:
    """Let the attention of the last decoder layer, in place, look from the last position alone; zeros elsewhere.

    Where it is computed by torch, that is: who asks for attention in another way, such as to see its weights, gets
    all of it.

    Parameters
    ----------
    attention : Module
        With the linear modules `q_proj` and `o_proj`.
    """
    narrowed = copy(attention.config)
    narrowed._attn_implementation_internal = LAST_QUERY

    class LastQuery(type(attention)):
        works_everywhere = False

        @property
        def config(self) -> PretrainedConfig:
            return self.__dict__["config"] if self.works_everywhere else narrowed

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            if self.works_everywhere or self.__dict__["config"]._attn_implementation == "sdpa":
                return super().forward(*args, **kwargs)
            with answer_everywhere(self):
                return super().forward(*args, **kwargs)

    attention.__class__ = LastQuery
    for module in (attention.q_proj, attention.o_proj):
        keep_last_position_only(module)


def put_last(of_last: torch.Tensor, n_tokens: int) -> torch.Tensor:
    """Of one position, shape (n, 1, n_hidden), to the last of `n_tokens`; zeros at the others."""
    return functional.pad(of_last, (0, 0, n_tokens - 1, 0))


def _attend_from_last(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """As the attention functions of transformers: query, shape (n, n_heads, n_tokens, n_hidden), to a context."""
    of_last = None if mask is None else mask[..., -1:, :]
    context, _ = ALL_ATTENTION_FUNCTIONS["sdpa"](module, query[:, :, -1:], key, value, of_last, **more)
    return functional.pad(context, (0, 0, 0, 0, query.shape[2] - 1, 0)), None


AttentionInterface.register(LAST_QUERY, _attend_from_last)


def keep_last_position_only(module: nn.Module) -> None:
    """Let a module, in place, work on the last position alone; zeros elsewhere.

    Parameters
    ----------
    module : Module
        From (n, n_tokens, n_hidden) to the same number of positions, each by itself. Rows without positions, shape
        (n, n_hidden), are all worked on.
    """

    class LastPosition(type(module)):
        works_everywhere = False

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            if hidden.ndim < 3 or self.works_everywhere:
                return super().forward(hidden)
            return put_last(super().forward(hidden[:, -1:]), hidden.shape[1])

    module.__class__ = LastPosition


@contextmanager
def answer_everywhere(model: nn.Module) -> Iterator[None]:
    """Let a model narrowed by `answer_last_position_only` work on all positions for a while."""
    narrowed = [module for module in model.modules() if not getattr(module, "works_everywhere", True)]
    for module in narrowed:
        module.works_everywhere = True
    try:
        yield
    finally:
        for module in narrowed:
            module.works_everywhere = False


class QuickLora(LoraLinear):
    """peft's LoRA on a linear module, in one product more than the module itself.

    The same weights, names and state dict. What peft can do beyond one adapter without dropout is left to peft.
    """

    def forward(self, hidden: torch.Tensor, *args, **kwargs) -> torch.Tensor:
        if self.disable_adapters or self.merged or args or kwargs:
            return super().forward(hidden, *args, **kwargs)
        if not getattr(self.base_layer, "works_everywhere", True):
            return put_last(self._add(hidden[:, -1:]), hidden.shape[1])
        return self._add(hidden)

    def _add(self, hidden: torch.Tensor) -> torch.Tensor:
        (name,) = self.active_adapters
        rows = hidden.flatten(0, -2)
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        narrow = functional.linear(rows, down.to(rows.dtype)) * self.scaling[name]
        return self.base_layer(rows).addmm_(narrow, up.to(rows.dtype).t()).unflatten(0, hidden.shape[:-1])


def add_low_rank_quickly(model: nn.Module) -> None:
    """Make every plain LoRA module of a peft model, in place, a `QuickLora`."""
    for module in model.modules():
        if type(module) is LoraLinear and all(isinstance(one, nn.Identity) for one in module.lora_dropout.values()):
            module.__class__ = QuickLora


class QuickGelu(GELUTanh):
    """GELU as it is approximated with a hyperbolic tangent, which a CPU is slow at: 0.5 (1 + tanh y) is sigmoid(2 y).

    D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016. With gradients, on a GPU, or in fewer bits torch's
    own is as quick or closer.
    """

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if hidden.requires_grad or hidden.device.type != "cpu" or hidden.dtype != torch.float32:
            return super().forward(hidden)
        slope = 2 * math.sqrt(2 / math.pi)
        inner = torch.addcmul(hidden.new_tensor(slope), hidden, hidden, value=0.044715 * slope).mul_(hidden)
        return inner.sigmoid_().mul_(hidden)


def bend_quickly(model: nn.Module) -> None:
    """Make every GELU with a hyperbolic tangent, in place, a `QuickGelu`."""
    for module in model.modules():
        if type(module) is GELUTanh:
            module.__class__ = QuickGelu
