"""Less work, the same numbers."""

from contextlib import nullcontext

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear as LoraLinear
from torch import nn
from transformers import LlamaConfig
from transformers.activations import GELUTanh
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

from somnolens.model.narrowing import (
    QuickGelu,
    QuickLora,
    add_low_rank_quickly,
    answer_everywhere,
    ask_with_last_position_only,
    bend_quickly,
    keep_last_position_only,
)


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 10), nn.Linear(10, 6)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.down(self.up(hidden).relu())


def make_lora(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    model = get_peft_model(Mlp(), LoraConfig(r=3, lora_alpha=6, target_modules=["up", "down"], lora_dropout=dropout))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weights)
    return model


@pytest.fixture
def hidden() -> torch.Tensor:
    return torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1))


def test_the_last_position_is_what_it_was_and_the_others_are_nothing(hidden):
    mlp = Mlp()
    whole, names = mlp(hidden), list(mlp.state_dict())
    keep_last_position_only(mlp)
    narrow = mlp(hidden)
    torch.testing.assert_close(narrow[:, -1], whole[:, -1])
    assert narrow[:, :-1].abs().max() == 0
    assert list(mlp.state_dict()) == names


@pytest.fixture
def attend():
    """An attention of transformers, and a way to ask it of some rows."""
    config = LlamaConfig(hidden_size=24, num_attention_heads=4, num_key_value_heads=2, attn_implementation="sdpa")
    torch.manual_seed(0)
    attention = LlamaAttention(config, layer_idx=0)

    def ask(mask: torch.Tensor | None = None) -> torch.Tensor:
        hidden = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(1))
        positions = LlamaRotaryEmbedding(config)(hidden, torch.arange(5)[None])
        return attention(hidden, position_embeddings=positions, attention_mask=mask)[0]

    return attention, ask


@pytest.mark.parametrize("mask", [None, torch.ones(5, 5, dtype=torch.bool).tril()[None, None]])
def test_attention_from_the_last_position_is_what_it_was_and_the_others_look_at_nothing(attend, mask):
    attention, ask = attend
    whole, names = ask(mask), list(attention.state_dict())
    ask_with_last_position_only(attention)
    narrow = ask(mask)
    torch.testing.assert_close(narrow[:, -1], whole[:, -1])
    assert narrow[:, :-1].abs().max() == 0
    assert list(attention.state_dict()) == names
    with answer_everywhere(attention):
        torch.testing.assert_close(ask(mask), whole)


def test_who_asks_for_weights_sees_the_attention_of_all_positions(attend):
    attention, ask = attend
    ask_with_last_position_only(attention)
    attention.__dict__["config"]._attn_implementation = "eager"
    assert ask(torch.zeros(1, 1, 5, 5)).abs().amin(dim=(0, 2)).min() > 0


def test_quick_lora_has_the_outputs_and_gradients_of_pefts(hidden):
    plain, quick = make_lora(), make_lora()
    add_low_rank_quickly(quick)
    assert sum(type(module) is QuickLora for module in quick.modules()) == 2
    for model in (plain, quick):
        model(hidden).pow(2).sum().backward()
    torch.testing.assert_close(quick(hidden), plain(hidden))
    assert list(quick.state_dict()) == list(plain.state_dict())
    for (name, one), (_, other) in zip(quick.named_parameters(), plain.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)


def test_quick_lora_is_merged_and_switched_off_as_pefts_is(hidden):
    model = make_lora()
    add_low_rank_quickly(model)
    adapted = model(hidden)
    with model.disable_adapter():
        bare = model(hidden)
    assert (adapted - bare).abs().max() > 0.1
    torch.testing.assert_close(model.merge_and_unload()(hidden), adapted)


def test_lora_with_dropout_is_left_to_peft():
    model = make_lora(dropout=0.1)
    add_low_rank_quickly(model)
    assert {type(module) for module in model.modules() if isinstance(module, LoraLinear)} == {LoraLinear}


def test_bfloat16_stays_bfloat16_and_close_to_peft(hidden):
    models = [make_lora().to(torch.bfloat16) for _ in range(2)]
    add_low_rank_quickly(models[0])
    quick, plain = (model(hidden.bfloat16()) for model in models)
    assert quick.dtype == torch.bfloat16
    torch.testing.assert_close(quick, plain, rtol=0.03, atol=0.1)


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_projection_of_the_last_position_has_its_numbers_and_gradients_with_lora(hidden, everywhere):
    wide, narrow = make_lora(), make_lora()
    keep_last_position_only(narrow.base_model.model.up.base_layer)
    for model in (wide, narrow):
        add_low_rank_quickly(model)
    with answer_everywhere(narrow) if everywhere else nullcontext():
        whole, last = (model.base_model.model.up(hidden) for model in (wide, narrow))
    assert last.shape == whole.shape
    torch.testing.assert_close(last[:, -1], whole[:, -1])
    assert bool(last[:, :-1].abs().max()) == everywhere
    for told in (whole, last):
        told[:, -1].square().sum().backward()
    for one, other in zip(wide.parameters(), narrow.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_a_gelu_is_bent_as_torch_bends_it(dtype, needs_gradient):
    bent = nn.Sequential(GELUTanh())
    bend_quickly(bent)
    assert isinstance(bent[0], QuickGelu)
    given = torch.linspace(-20, 20, 4001).to(dtype).requires_grad_(needs_gradient)
    told = bent(given)
    assert told.dtype == dtype
    torch.testing.assert_close(told, nn.functional.gelu(given, approximate="tanh"), rtol=1e-5, atol=1e-6)
    assert given[0] == -20
