"""What training will cost, against what it costs: parameters, tokens, operations, saved tensors."""

import re

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from somnolens.config import ModelSettings, Settings, read_settings
from somnolens.errors import BaseModelError, SettingsError
from somnolens.model.adapters import attach_lora, count_parameters, prepare_looker
from somnolens.model.base import load_model
from somnolens.model.blueprint import list_published
from somnolens.model.budget import Budget, find_peak, plan_training
from somnolens.render.style import Style
from tests.repository.tree import ROOT
from tests.tiny_models import MODELS

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")

PUBLISHED_PARAMETERS = {
    "Qwen/Qwen3-VL-2B-Instruct": 2_127_532_032,
    "Qwen/Qwen3-VL-4B-Instruct": 4_437_815_808,
    "Qwen/Qwen2.5-VL-3B-Instruct": 3_754_622_976,
    "HuggingFaceTB/SmolVLM-256M-Instruct": 256_484_928,
    "OpenGVLab/InternVL3-1B-hf": 938_193_024,
    "llava-hf/llava-v1.6-mistral-7b-hf": 7_566_747_648,
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": 893_675_552,
}
"""As the hub counts them in the weights."""

PRESETS = {
    "demo": (98, "embedded"),
    "embedded": (98, "embedded"),
    "paper.llava-next-7b": (1176, "llava_next"),
    "qwen3-vl-2b": (98, "qwen3_vl"),
    "qwen3-vl-4b": (392, "qwen3_vl"),
    "smolvlm-256m": (64, "idefics3"),
}
"""Image tokens and family of every settings file we ship."""


def prepare(settings: Settings, trained: bool = False):
    looker = prepare_looker(settings, Style(settings.render, settings.prepare))
    if trained:
        attach_lora(looker, settings.train)
    return looker


def draw_pictures(looker, n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 100, (n, *looker.shape_px), dtype=torch.uint8, generator=generator)


def count_flops(run) -> int:
    """With attention as plain matrix products: of the fused kernel for CPUs, torch counts nothing."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def test_parameters_tokens_and_lora_weights_are_those_of_the_embedded_model():
    settings = Settings(train={"lora_targets": "language+merger+vision"})
    budget, looker = plan_training(settings), prepare(settings)
    assert budget.n_parameters == count_parameters(looker.model)["all"]
    assert budget.n_image_tokens == looker.family.count_image_tokens(*looker.shape_px)
    assert budget.n_tokens == len(looker.prompt_ids)
    attach_lora(looker, settings.train)
    assert budget.n_lora == count_parameters(looker.model)["trained"]


def test_scoring_takes_as_many_operations_as_torch_counts_in_the_embedded_model():
    looker = prepare(Settings()).eval()
    with torch.inference_mode():
        counted = count_flops(lambda: looker(draw_pictures(looker, 2)))
    assert 2 * plan_training(Settings()).scoring_flops == pytest.approx(counted, rel=0.01)


@pytest.mark.parametrize("kind", MODELS)
def test_scoring_takes_as_many_operations_as_torch_counts_in_every_family(kind, find_folder):
    settings = Settings(model=ModelSettings(base=str(find_folder(kind))))
    looker = prepare(settings).eval()
    pixels = looker.family.make_pixels(draw_pictures(looker, 1), looker.palette)  # resizing is no work of the model
    with torch.inference_mode():
        counted = count_flops(lambda: looker.name(looker.family.see(pixels)))
    assert plan_training(settings).scoring_flops == pytest.approx(counted, rel=0.03)


@pytest.mark.parametrize(
    ("targets", "checkpointing"),
    [("language", False), ("language", True), ("language+merger", False), ("language+merger+vision", True)],
)
def test_training_takes_about_as_many_operations_as_torch_counts(targets, checkpointing):
    settings = Settings(train={"lora_targets": targets, "gradient_checkpointing": checkpointing})
    looker, budget = prepare(settings, trained=True).train(), plan_training(settings)
    pictures = draw_pictures(looker, 1)
    shown = looker.see(pictures).detach() if budget.keeps_features else pictures
    counted = count_flops(lambda: looker(shown).sum().backward())
    assert budget.count_training_flops(checkpointing) == pytest.approx(counted, rel=0.12)


def measure_saved(looker, shown: torch.Tensor) -> int:
    """Bytes that autograd keeps for the backward pass, weights aside."""
    weights = {p.untyped_storage().data_ptr() for p in looker.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        looker(shown)
    return sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in weights)


def test_activations_of_bfloat16_training_are_about_what_autograd_keeps():
    settings = Settings(model={"dtype": "bfloat16"})
    looker = prepare(settings, trained=True).train()
    features = looker.see(draw_pictures(looker, 2)).detach()
    planned = plan_training(settings).measure_memory(2, checkpointing=False)["activations"]
    assert planned == pytest.approx(measure_saved(looker, features), rel=0.15)


def test_gradient_checkpointing_keeps_less_and_changes_no_gradient():
    saved, gradients = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        looker = prepare(Settings(train={"gradient_checkpointing": checkpointing}), trained=True).train()
        features = looker.see(draw_pictures(looker, 2)).detach()
        saved.append(measure_saved(looker, features))
        looker(features).sum().backward()
        gradients.append({name: p.grad for name, p in looker.named_parameters() if p.requires_grad})
    assert saved[1] < 0.5 * saved[0]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@pytest.mark.parametrize("name", list_published())
def test_published_configurations_give_the_published_number_of_parameters_and_the_tokens_of_the_readme(name):
    budget = plan_training(_make_settings(name))
    assert budget.n_parameters == PUBLISHED_PARAMETERS[name]
    family, kind = budget.blueprint.family, budget.blueprint.model.config.model_type
    (row,) = re.findall(rf"^\| .*\| `{kind}` \| .*$", README, flags=re.MULTILINE)
    assert int(row.split("|")[3]) == family.count_image_tokens(224, 448)
    for width, height, n_tokens in re.findall(r"(\d+) x (\d+): (\d+)", row):
        assert int(n_tokens) == family.count_image_tokens(int(height), int(width))


def test_the_readme_counts_the_parameters_of_the_embedded_model():
    told = re.search(r"\(([\d.]+) million parameters, Qwen3-VL\s+architecture", README)
    assert float(told.group(1)) == round(plan_training(Settings()).n_parameters / 1e6, 1)


def _make_settings(name: str) -> Settings:
    return Settings(model=ModelSettings(base=name))


@pytest.mark.parametrize("name", PRESETS)
def test_the_picture_size_of_a_settings_file_suits_its_base_model(name):
    budget = plan_training(read_settings(ROOT / "jobs" / "configs" / f"{name}.yaml"))
    n_image_tokens, kind = PRESETS[name]
    assert budget.n_image_tokens == n_image_tokens
    assert budget.blueprint.model.config.model_type == ("qwen3_vl" if kind == "embedded" else kind)


def test_every_settings_file_is_looked_at():
    assert {path.stem for path in (ROOT / "jobs" / "configs").glob("*.yaml")} == set(PRESETS)


@pytest.mark.parametrize(("name", "memory_gb"), [("paper.llava-next-7b", 80), ("qwen3-vl-2b", 24), ("qwen3-vl-4b", 40)])
def test_a_settings_file_asks_for_enough_gpus_of_the_size_it_names(name, memory_gb):
    settings = read_settings(ROOT / "jobs" / "configs" / f"{name}.yaml")
    n_gpus = plan_training(settings).count_gpus(memory_gb, settings.train.gradient_checkpointing)
    assert n_gpus is not None
    assert n_gpus <= settings.train.n_workers


def test_the_papers_settings_file_is_what_the_paper_tells():
    settings = read_settings(ROOT / "jobs" / "configs" / "paper.llava-next-7b.yaml")
    assert (settings.render.width_px, settings.render.height_px, settings.render.amplitude) == (336, 336, "min-max")
    assert (settings.train.lora_rank, settings.train.passes) == (16, 3)
    assert settings.model.prompt == "Classify the PSG. Choose from: W, N1, N2, N3, REM."


def test_a_smaller_share_of_the_batch_takes_less_memory_and_more_gpus():
    budget: Budget = plan_training(_make_settings("llava-hf/llava-v1.6-mistral-7b-hf"))
    one, two = (sum(budget.measure_memory(n, checkpointing=True).values()) for n in (1, 2))
    assert one < two
    assert budget.count_gpus(141, checkpointing=True) < budget.count_gpus(24, checkpointing=True)
    assert budget.count_gpus(16, checkpointing=True) is None


def test_four_bits_take_a_quarter_of_the_memory_of_the_decoder():
    """A weight in NF4 has 4 bits, an eighth of a byte for its scale, and a 256th of 4/64 bytes for the scale's own."""
    plain, four = (plan_training(read_settings(overrides=[f"model.quantise={q}"])).base_bytes for q in ("none", "4bit"))
    layers = load_model(ModelSettings())[0].model.language_model.layers
    decoder = sum(module.weight.numel() for module in layers.modules() if isinstance(module, torch.nn.Linear))
    assert plain - four == pytest.approx(decoder * (2 - (4 + 8 / 64 + 32 / (64 * 256)) / 8))


def test_each_of_four_workers_holds_a_quarter_of_a_model_that_is_cut_up():
    sharded = plan_training(read_settings(overrides=["train.sharding=fsdp", "train.n_workers=4"]))
    plain = plan_training(read_settings(overrides=["train.n_workers=4"]))
    ours, whole = (budget.measure_memory(8, checkpointing=True) for budget in (sharded, plain))
    assert ours["LoRA weights, gradients, AdamW"] == whole["LoRA weights, gradients, AdamW"] / 4
    assert ours["base model"] == pytest.approx(whole["base model"] / 4 + sharded.whole_at_once)
    assert ours["activations"] == whole["activations"]


def test_a_model_that_no_gpu_holds_fits_when_it_is_cut_up():
    big = ["model.base=llava-hf/llava-v1.6-mistral-7b-hf", "render.preset=paper-336", "train.batch_size=16"]
    whole, cut = (plan_training(read_settings(overrides=[*big, f"train.sharding={how}"])) for how in ("none", "fsdp"))
    assert whole.count_gpus(16, checkpointing=True) is None
    assert 1 < cut.count_gpus(16, checkpointing=True) <= 16


def test_a_base_model_that_is_nowhere_at_hand_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(BaseModelError, match=r"is not at hand: .* one of Qwen/Qwen3-VL-2B-Instruct"):
        plan_training(_make_settings(str(tmp_path)))


def test_an_unknown_gpu_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match="No peak is known of the GPU 'B9000'; there are A10, A100"):
        find_peak("B9000")
