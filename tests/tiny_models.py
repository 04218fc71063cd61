"""Every family in miniature: real architecture, real processor settings, real layout of the tokens, random weights.

Only widths, depths and vocabularies are small. Patches, tiles, grids and the settings of the image processors are
those that the models named below publish (of idefics3, which is smolvlm under its first name, half the long edge,
as its card offers); tokenizers cut words and write special tokens as theirs do.
"""

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

CORPUS = [
    "Classify the PSG. Choose from: W, N1, N2, N3, R.\n\nUser: Assistant: You are a helpful assistant.\n system\nuser\n"
] * 4
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CHANGES = {"do_resize": True, "do_rescale": True, "do_normalize": True, "do_convert_rgb": True}
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "initializer_range": 0.2,
    "max_position_embeddings": 8192,
}
VISION = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
QWEN_VISION = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32}
MROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2]}
ANYRES_9 = [[384 * rows, 384 * columns] for rows in range(1, 7) for columns in range(1, 7)]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}PICTURE{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_CHAT = CHATML.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>")
SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
)
ONEVISION_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ '\\n' + part['text'] }}{% endfor %}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MISTRAL_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}[INST] "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %} [/INST]"
    "{% else %} {{ message['content'][0]['text'] }}</s> {% endif %}{% endfor %}"
)
SMOL_CHAT = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<image>{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
QWEN_SPECIAL = ["<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
SMOL_SPECIAL = [
    *("<end_of_utterance>", "<|im_start|>", "<image>", "<fake_token_around_image>", "<global-img>"),
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
]
SMOL_PROCESSOR = {
    **(CHANGES | HALF),
    "do_image_splitting": True,
    "do_pad": True,
    "resample": 1,
    "size": {"longest_edge": 2048},
    "max_image_size": {"longest_edge": 512},
}
SMOL_CONFIG = {
    "text_config": {"model_type": "llama", **TEXT},
    "vision_config": {**VISION, "image_size": 512, "patch_size": 16},
    "scale_factor": 4,
}
QWEN_TOKENS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}

MODELS: dict[str, dict[str, Any]] = {
    "qwen3_vl": {  # Qwen/Qwen3-VL-2B-Instruct
        "config": {
            "text_config": {**TEXT, "rope_parameters": {**MROPE, "mrope_interleaved": True}},
            "vision_config": {**QWEN_VISION, "patch_size": 16, "deepstack_visual_indexes": [0]},
        },
        "processor": {
            **HALF,
            "image_processor_type": "Qwen2VLImageProcessor",
            "size": {"shortest_edge": 65536, "longest_edge": 16777216},
            **{"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2},
        },
        "chat": QWEN_CHAT,
        "special": QWEN_SPECIAL,
        "tokens": QWEN_TOKENS,
    },
    "qwen2_5_vl": {  # Qwen/Qwen2.5-VL-3B-Instruct
        "config": {
            "text_config": {**TEXT, "rope_parameters": MROPE},
            "vision_config": {**QWEN_VISION, "patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1]},
        },
        "processor": {
            **CLIP,
            "image_processor_type": "Qwen2VLImageProcessor",
            **{"min_pixels": 3136, "max_pixels": 12845056},
            **{"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2},
        },
        "chat": SYSTEM + QWEN_CHAT,
        "special": QWEN_SPECIAL,
        "tokens": QWEN_TOKENS,
    },
    "smolvlm": {  # HuggingFaceTB/SmolVLM2-256M-Video-Instruct
        "config": SMOL_CONFIG,
        "processor": {**SMOL_PROCESSOR, "image_processor_type": "SmolVLMImageProcessor"},
        "chat": SMOL_CHAT,
        "special": SMOL_SPECIAL,
        "tokens": {"image_token_id": "<image>"},
        "start": "<|im_start|>",
    },
    "idefics3": {  # HuggingFaceTB/SmolVLM-256M-Instruct
        "config": SMOL_CONFIG,
        "processor": {
            **SMOL_PROCESSOR,
            "image_processor_type": "Idefics3ImageProcessor",
            "size": {"longest_edge": 1024},
        },
        "chat": SMOL_CHAT,
        "special": SMOL_SPECIAL,
        "tokens": {"image_token_id": "<image>"},
        "start": "<|im_start|>",
    },
    "internvl": {  # OpenGVLab/InternVL3-1B-hf
        "config": {
            "text_config": {"model_type": "qwen2", **TEXT},
            "vision_config": {
                "model_type": "internvl_vision",
                **VISION,
                "image_size": [448, 448],
                "patch_size": [14, 14],
            },
        },
        "processor": {
            **(CHANGES | IMAGENET),
            "image_processor_type": "GotOcr2ImageProcessor",
            **{"crop_to_patches": False, "min_patches": 1, "max_patches": 12, "resample": 3},
            "size": {"height": 448, "width": 448},
        },
        "chat": CHATML.replace("PICTURE", "<IMG_CONTEXT>\n"),
        "special": ["<|im_end|>", "<|im_start|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"],
        "tokens": {"image_token_id": "<IMG_CONTEXT>"},
        "named": {
            **{"start_image_token": "<img>", "end_image_token": "</img>"},
            **{"context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"},
        },
    },
    "llava_next": {  # llava-hf/llava-v1.6-mistral-7b-hf
        "config": {
            "text_config": {"model_type": "mistral", **TEXT, "sliding_window": None},
            "vision_config": {
                **{"model_type": "clip_vision_model", **VISION, "num_hidden_layers": 3, "projection_dim": 16},
                **{"image_size": 336, "patch_size": 14},
            },
            "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
            **{"vision_feature_layer": -2, "vision_feature_select_strategy": "default"},
        },
        "processor": {
            **(CHANGES | CLIP),
            "image_processor_type": "LlavaNextImageProcessor",
            "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
            **{"do_center_crop": True, "crop_size": {"height": 336, "width": 336}},
            **{"resample": 3, "size": {"shortest_edge": 336}},
        },
        "chat": MISTRAL_CHAT,
        "special": ["</s>", "<image>"],
        "tokens": {"image_token_index": "<image>"},
        "sentencepiece": True,
        "start": "<s>",
    },
    "llava_onevision": {  # llava-hf/llava-onevision-qwen2-0.5b-ov-hf
        "config": {
            "text_config": {"model_type": "qwen2", **TEXT},
            "vision_config": {
                **{"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
                **{"image_size": 384, "patch_size": 14},
            },
            "image_grid_pinpoints": ANYRES_9,
            **{"vision_feature_layer": -1, "vision_feature_select_strategy": "full"},
            "vision_aspect_ratio": "anyres_max_9",
        },
        "processor": {
            **(CHANGES | HALF),
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "image_grid_pinpoints": ANYRES_9,
            **{"do_pad": True, "resample": 3, "size": {"height": 384, "width": 384}},
        },
        "chat": ONEVISION_CHAT,
        "special": ["<|im_end|>", "<|im_start|>", "<image>", "<video>"],
        "tokens": {"image_token_index": "<image>", "video_token_index": "<video>"},
    },
}


def write_tiny_model(kind: str, folder: Path) -> Path:
    """A folder as the hub has it: configuration, weights, tokenizer, chat template, image processor."""
    recipe = MODELS[kind]
    tokenizer = build_tokenizer(kind)
    names = {name: tokenizer.convert_tokens_to_ids(token) for name, token in recipe["tokens"].items()}
    special = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.eos_token_id}
    config = {**recipe["config"], **names, "tie_word_embeddings": False}
    config["text_config"] = config["text_config"] | special | {"vocab_size": len(tokenizer)}
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForImageTextToText.from_config(AutoConfig.for_model(kind, **config))
    transformers_logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(recipe["processor"]))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": recipe["chat"]}))
    return folder


@cache
def build_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """Without a chat template: it lies beside the processor, as in many a hub model."""
    recipe = MODELS[kind]
    tokenizer = _build_marked() if recipe.get("sentencepiece") else _build_byte_level()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in recipe["special"]])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=recipe["special"][0],
        pad_token=recipe["special"][0],
        bos_token=recipe.get("start"),
        extra_special_tokens=recipe.get("named", {}),
        clean_up_tokenization_spaces=False,
    )


def _build_byte_level() -> Tokenizer:
    """As Qwen's, SmolVLM's and InternVL's: bytes, digits on their own, a space belonging to the word after it."""
    tokenizer = Tokenizer(models.BPE())
    words = Regex(r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def _build_marked() -> Tokenizer:
    """As Llama's and Mistral's: a mark before every word, also before the first, and <s> before everything."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁?[^▁\d\W]+|▁|\d|[^▁\d\w]"), "isolated")
    tokens = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=tokens, show_progress=False)
    )
    tokenizer.pre_tokenizer = None
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer
