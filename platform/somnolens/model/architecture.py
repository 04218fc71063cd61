"""The embedded base model: a stock Qwen3-VL, small enough to ship and to run on two cores.

Only its size is ours. Configuration, tokenizer, chat template and image processor are saved as
any hub model's are, so that `AutoModelForImageTextToText` and `AutoTokenizer` load the folder.
"""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from somnolens.storage import write_json

_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_WORDS = (
    "Classify the PSG Choose from W N1 N2 N3 R REM wake sleep stage system user assistant Read picture band bands "
    "frequency amplitude burst share rhythm count together where "
    "= A B C D E F 0 1 2 3 4 5 6 7 8 9"
)

_CHAT_TEMPLATE = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'text' -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

IMAGE_PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": (0.88, 0.88, 0.88),
    "image_std": (0.24, 0.24, 0.24),
    "size": {"shortest_edge": 64 * 64, "longest_edge": 2048 * 2048},
}
"""Mean and deviation are those of our pictures, which are mostly white paper."""


_TEXT = {
    "hidden_size": 192,
    "initializer_range": 0.07,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [6, 5, 5],
        "mrope_interleaved": True,
    },
}

_VISION = {
    "depth": 4,
    "hidden_size": 128,
    "initializer_range": 0.08,
    "intermediate_size": 512,
    "num_heads": 4,
    "out_hidden_size": 192,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "num_position_embeddings": 28 * 28,
    "deepstack_visual_indexes": [1],
}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level tokenizer: the project's few words are one token each, any other text falls to bytes.

    Examples
    --------
    >>> build_tokenizer().decode(build_tokenizer()("Classify the PSG: Ω").input_ids)
    'Classify the PSG: Ω'
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [space + word for word in dict.fromkeys(_WORDS.split()) for space in ("", "Ġ")]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys([*alphabet, *words]))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    split_words = pre_tokenizers.Split(Regex(r" ?[^\s\p{P}]+| ?\p{P}|\s"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split_words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=_CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def build_config(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    """Qwen3-VL in miniature: 3.4 million parameters, 98 image tokens for a 448 x 224 picture."""
    token = tokenizer.convert_tokens_to_ids
    text = _TEXT | {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "pad_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=_VISION,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def build_model(seed: int) -> tuple[Qwen3VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """The architecture with random weights, and its tokenizer.

    Weights start as wide as so narrow a model needs, one over the root of the width, and positions
    in the picture start loud; with the 0.02 of large models it stayed nearly blind for 4,000 pictures.
    """
    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(build_config(tokenizer))
    visual = model.model.visual
    torch.nn.init.normal_(visual.pos_embed.weight, std=0.5)
    torch.nn.init.normal_(visual.patch_embed.proj.weight, std=visual.patch_embed.proj.weight[0].numel() ** -0.5)
    return model, tokenizer


def write_model(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path, provenance: dict
) -> None:
    """Save as a hub model is saved: bfloat16 safetensors, tokenizer, chat template, image processor."""
    model.to(torch.bfloat16).save_pretrained(folder)
    model.to(torch.float32)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(IMAGE_PROCESSOR, indent=2) + "\n")
    write_json(folder / "provenance.json", provenance)
