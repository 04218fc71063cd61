"""What training an adapter costs before it starts: parameters, tokens, work and memory, with every assumption.

Work counts a multiplication and an addition as two operations, for matrix products and attention alone, attention
as if it looked ahead too. Memory of activations is the bytes that a bfloat16 base model with float32 LoRA weights keeps
for the backward pass, fitted to the saved tensors of Llama, Mistral, Qwen3 and SigLIP layers of many widths.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from somnolens.config import Settings
from somnolens.errors import SettingsError
from somnolens.model.adapters import count_parameters
from somnolens.model.blueprint import Blueprint, draw_blueprint

OVERHEAD_BYTES = 1.5e9
"""CUDA, its kernels, and what a process keeps besides."""

SLACK = 0.9
"""Share of a GPU's memory that may be planned with; the rest is lost between allocations."""

FOUR_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits of a weight in NF4 with quantised scales: a byte for 64 weights, and 4 bytes for 256 of those."""

PEAK_FLOPS = {"A10": 125e12, "A100": 312e12, "L40S": 362e12, "H100": 989e12, "H200": 989e12}
"""Of dense matrix products in bfloat16 with float32 sums, as the makers publish them."""


@dataclass(frozen=True)
class Work:
    """Operations of one picture in one part of a model."""

    linear: float
    attention: float

    @property
    def forward(self) -> float:
        return self.linear + self.attention

    @property
    def backward(self) -> float:
        """Through frozen weights: gradients of inputs alone; attention computes its scores once more."""
        return self.linear + 2.5 * self.attention


@dataclass(frozen=True)
class Budget:
    """The cost of training one adapter, for one picture size and one set of LoRA targets.

    Parameters
    ----------
    settings : Settings
    blueprint : Blueprint
    """

    settings: Settings
    blueprint: Blueprint

    @property
    def shape_px(self) -> tuple[int, int]:
        return self.settings.render.height_px, self.settings.render.width_px

    @property
    def targets(self) -> list[str]:
        return self.settings.train.lora_targets.split("+")

    @cached_property
    def n_parameters(self) -> int:
        return count_parameters(self.blueprint.model)["all"]

    @cached_property
    def n_image_tokens(self) -> int:
        return self.blueprint.family.count_image_tokens(*self.shape_px)

    @property
    def n_tokens(self) -> int:
        return self.settings.model.n_pictures * self.n_image_tokens + self.blueprint.n_text_tokens

    @cached_property
    def _patches(self) -> tuple[int, int]:
        return self.blueprint.family.count_patches(*self.shape_px)

    def _find_modules(self, pattern: str) -> list[nn.Module]:
        of = re.compile(pattern)
        named = self.blueprint.model.named_modules()
        return [m for name, m in named if isinstance(m, (nn.Linear, nn.Conv2d, nn.Conv3d)) and of.fullmatch(name)]

    def _find_narrow(self) -> list[nn.Module]:
        """Linear modules that work on the last position alone: see model.narrowing."""
        last = self.blueprint.model.config.text_config.num_hidden_layers - 1
        layer = rf"{re.escape(self.blueprint.family.language_path)}\.layers\.{last}"
        return self._find_modules(rf"{layer}\.(mlp\..*|self_attn\.[qo]_proj)")

    def count_lora(self, part: str) -> int:
        """LoRA weights of a part: language, merger or vision."""
        return self._count_lora(self._find_modules(self.blueprint.family.lora_targets(part)))

    def _count_lora(self, modules: list[nn.Module]) -> int:
        return self.settings.train.lora_rank * sum(m.in_features + m.out_features for m in modules)

    @cached_property
    def n_lora(self) -> int:
        return sum(self.count_lora(part) for part in self.targets)

    @cached_property
    def language(self) -> Work:
        """The decoder and, for the last position alone, its head."""
        family, text = self.blueprint.family, self.blueprint.model.config.text_config
        weights = _count_weights(self._find_modules(family.lora_targets("language")))
        narrow = _count_weights(self._find_narrow())
        head = text.hidden_size * text.vocab_size
        pairs = (text.num_hidden_layers - 1) * self.n_tokens**2 + self.n_tokens  # the last layer asks from one position
        return Work(2 * (self.n_tokens * (weights - narrow) + narrow + head), 4 * pairs * _measure_heads(text)[0])

    @cached_property
    def vision(self) -> Work:
        """The vision tower over all tiles."""
        family, vision = self.blueprint.family, self.blueprint.family.vision
        merger = family.lora_targets("merger")
        inside = rf"(?!{merger}$){re.escape(family.vision_path)}\..*"
        n_tiles, n_patches = self._patches
        weights = _count_weights(self._find_modules(inside))
        attended = 4 * n_patches * vision.hidden_size * _count_attended(vision, n_patches)
        return Work(2 * n_tiles * n_patches * weights, n_tiles * attended)

    @cached_property
    def merger(self) -> Work:
        modules = self._find_modules(self.blueprint.family.lora_targets("merger"))
        return Work(2 * self.n_image_tokens * _count_weights(modules), 0)

    @property
    def keeps_features(self) -> bool:
        """Vision features are computed once where no LoRA weight touches the vision side."""
        return self.targets == ["language"]

    @property
    def scoring_flops(self) -> float:
        """Operations of one epoch, its picture looked at once, and named; LoRA merged."""
        return self.language.forward + self.looking_flops

    @property
    def looking_flops(self) -> float:
        """Operations of the vision side for one picture."""
        return self.vision.forward + self.merger.forward

    def count_training_flops(self, checkpointing: bool) -> float:
        """Operations of one row in one pass, without looking where features are kept."""
        n_pictures = self.settings.model.n_pictures
        flops = self.language.forward + self.language.backward
        narrow = self._count_lora(self._find_narrow())
        flops += 6 * (self.n_tokens * (self.count_lora("language") - narrow) + narrow)
        if not self.keeps_features:
            merger = self.merger.backward + 6 * self.n_image_tokens * self.count_lora("merger")
            flops += n_pictures * (self.looking_flops + merger)
        if "vision" in self.targets:
            n_tiles, n_patches = self._patches
            flops += n_pictures * (self.vision.backward + 6 * n_tiles * n_patches * self.count_lora("vision"))
        again = self.language.forward + n_pictures * self.vision.forward * ("vision" in self.targets)
        return flops + again * checkpointing

    @property
    def width(self) -> int:
        """Bytes of a weight of the base model."""
        return 4 if self.settings.model.dtype == "float32" else 2

    @cached_property
    def base_bytes(self) -> float:
        """The whole base model; with `model.quantise` the linear modules of the decoder's layers have four bits."""
        bits = FOUR_BITS / 8 - self.width if self.settings.model.quantise == "4bit" else 0
        decoder = _count_weights(self._find_modules(self.blueprint.family.lora_targets("language")))
        return self.width * self.n_parameters + bits * decoder

    @property
    def n_shards(self) -> int:
        """Workers among which every weight is cut up."""
        return self.settings.train.n_workers if self.settings.train.sharding == "fsdp" else 1

    @cached_property
    def whole_at_once(self) -> float:
        """Bytes that a sharded model needs besides: two layers put together, and what belongs to no layer."""
        decoder = _count_weights(self._find_modules(self.blueprint.family.lora_targets("language")))
        vision = count_parameters(self.blueprint.model.get_submodule(self.blueprint.family.vision_path))["all"]
        n_layers = self.blueprint.model.config.text_config.num_hidden_layers
        return self.width * (2 * decoder / n_layers + max(0, self.n_parameters - decoder - vision))

    def measure_memory(self, n_rows: int, checkpointing: bool, n_shards: int | None = None) -> dict[str, float]:
        """Bytes of one GPU that trains on so many rows at once, by what they are for."""
        n_shards = n_shards or self.n_shards
        return {
            "base model": self.base_bytes / n_shards + self.whole_at_once * (n_shards > 1),
            "LoRA weights, gradients, AdamW": (4 + 4 + 8) * self.n_lora / n_shards,
            "activations": n_rows * self._measure_activations(checkpointing) * self.width / 2,
            "CUDA and the process": OVERHEAD_BYTES,
        }

    def _measure_activations(self, checkpointing: bool) -> float:
        """Bytes of one row that wait for the backward pass; with checkpointing, inputs of layers and one layer."""
        text, vision = self.blueprint.model.config.text_config, self.blueprint.family.vision
        n_tiles, n_patches = self._patches
        kept = self.n_tokens * _keep(
            text.num_hidden_layers, self.measure_decoder_layer(), 2 * text.hidden_size, checkpointing
        )
        if not checkpointing:
            kept -= self.n_tokens * 8 * text.intermediate_size  # the last layer's MLP: see model.narrowing
        n_pictures = self.settings.model.n_pictures
        if not self.keeps_features:
            kept += n_pictures * self.n_image_tokens * 16 * text.hidden_size
        block = 32 * vision.hidden_size + 6 * vision.intermediate_size + 24 * self.settings.train.lora_rank
        if "vision" in self.targets:
            block = _keep(_count_layers(vision), block, 2 * vision.hidden_size, checkpointing)
        return kept + n_pictures * n_tiles * n_patches * block * (not self.keeps_features)

    def measure_decoder_layer(self) -> float:
        """Bytes that one decoder layer keeps of one token, all its linear modules with LoRA."""
        text = self.blueprint.model.config.text_config
        queries, keys = _measure_heads(text)
        with_norm = 4 * (queries + keys) if "qwen3" in text.model_type else 0
        own = 12 * text.hidden_size + 8 * text.intermediate_size + 6 * queries + 4 * keys + with_norm
        return own + 4 * text.num_attention_heads + 14 * self.settings.train.lora_rank

    def count_gpus(self, memory_gb: float, checkpointing: bool) -> int | None:
        """GPUs of this size among which the batch must be shared; None where one row is too much."""
        batch, sharded = self.settings.train.batch_size, self.settings.train.sharding == "fsdp"
        for n_gpus in (n for n in range(1, batch + 1) if batch % n == 0):
            memory = self.measure_memory(batch // n_gpus, checkpointing, n_gpus if sharded else 1)
            if sum(memory.values()) <= SLACK * memory_gb * 1e9:
                return n_gpus
        return None


def plan_training(settings: Settings) -> Budget:
    """The cost of training with these settings.

    Examples
    --------
    >>> budget = plan_training(Settings())
    >>> budget.n_parameters, budget.n_image_tokens, budget.n_lora
    (3462336, 98, 217088)
    """
    shape_px = settings.render.height_px, settings.render.width_px
    return Budget(settings, draw_blueprint(settings.model, shape_px))


def find_peak(gpu: str) -> float:
    """Peak of a GPU by its name, operations per second.

    Raises
    ------
    SettingsError
        Naming the GPUs there are.
    """
    if gpu not in PEAK_FLOPS:
        raise SettingsError(f"No peak is known of the GPU {gpu!r}; there are {', '.join(PEAK_FLOPS)}.")
    return PEAK_FLOPS[gpu]


def _keep(n_layers: int, layer: float, between: float, checkpointing: bool) -> float:
    return n_layers * between + layer if checkpointing else n_layers * layer


def _count_weights(modules: list[nn.Module]) -> int:
    """Weights at work; a kernel over frames has them once, because all frames of a still are equal."""
    frames = {module: module.kernel_size[0] for module in modules if isinstance(module, nn.Conv3d)}
    return sum(module.weight.numel() // frames.get(module, 1) for module in modules)


def _count_layers(vision) -> int:
    return getattr(vision, "depth", None) or vision.num_hidden_layers


def _count_attended(vision, n_patches: int) -> int:
    """Positions that one position attends to, over all layers; in some towers most layers look into windows."""
    if not getattr(vision, "window_size", None):
        return _count_layers(vision) * n_patches
    n_whole = len(vision.fullatt_block_indexes)
    n_in_window = (vision.window_size // vision.patch_size) ** 2
    return n_whole * n_patches + (_count_layers(vision) - n_whole) * min(n_in_window, n_patches)


def _measure_heads(text) -> tuple[int, int]:
    """Widths of queries and of keys."""
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return head * text.num_attention_heads, head * text.num_key_value_heads
