"""Our scoring against the way of the closest rival, on the same model, pictures and machine, in one run.

SleepVLM (arXiv 2603.26738) scores an epoch by one call of generate(): three pictures through the official image
processor, a prompt of rules of about 2,300 tokens, and an answer of 200 to 400 tokens in JSON. Here it is given the
cheapest of that, 200 tokens; what they say does not matter for their cost. Its encoder sees each picture three times.
"""

import time

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText

from somnolens.epochs import Epochs
from somnolens.model.base import load_tokenizer, locate_base
from somnolens.model.prompt import encode_prompt
from somnolens.render.windows import draw_shown
from somnolens.score.engine import Engine, load_engine
from tests.benchmarks.bench_render import prepare_night

N_RULE_TOKENS, N_ANSWER_TOKENS, N_SHOWN = 2300, 200, 3
N_GENERATED, N_LOOKED_AT = 4, 192
BATCH = 32


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    engine = load_engine("embedded")
    signals_uv = np.resize(prepare_night(), (N_LOOKED_AT, 6, 3000))
    names = engine.style.derivations
    night = Epochs("night", signals_uv, names, 100.0, np.zeros((N_LOOKED_AT, 6), np.uint8), names)
    ours, theirs = look(engine, night), generate(engine, night)
    way = "generate() for each epoch: three pictures, rules of 2,300 tokens, an answer of 200"
    return [
        {
            "name": "score.ratio_generate",
            "value": ours / theirs,
            "unit": "times",
            "ratio_to": way,
            "higher_is_better": True,
            "bar": ">=20",
        },
        {
            "name": "score.epochs_per_s_generate",
            "value": theirs,
            "unit": f"epochs/s, all cores, {way}",
            "higher_is_better": None,
            "bar": None,
        },
    ]


def look(engine: Engine, night: Epochs) -> float:
    """Epochs per second from prepared signals to probabilities."""
    engine.look(engine.draw(night, 0, BATCH), BATCH)
    started = time.perf_counter()
    engine.look(engine.draw(night), BATCH)
    return len(night) / (time.perf_counter() - started)


@torch.inference_mode()
def generate(engine: Engine, night: Epochs) -> float:
    """Epochs per second from prepared signals to written answers."""
    model = AutoModelForImageTextToText.from_pretrained(locate_base("embedded"), dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(locate_base("embedded"))
    settings, family = engine.card.resolved.model, engine.looker.family
    image, tokenizer = model.config.image_token_id, load_tokenizer(settings)
    picture = family.write_picture(tokenizer, *engine.looker.shape_px)
    asked = encode_prompt(tokenizer, settings.prompt, family.name_image_token(tokenizer), picture, N_SHOWN)
    rules = np.resize(tokenizer(settings.prompt, add_special_tokens=False).input_ids, N_RULE_TOKENS)
    ids = torch.tensor([[*rules.tolist(), *asked]])
    started = time.perf_counter()
    for epoch in range(N_GENERATED):
        (shown,) = draw_shown(night, engine.style, N_SHOWN, epoch, epoch + 1)
        pixels = processor(images=[Image.fromarray(engine.style.palette[one]) for one in shown], return_tensors="pt")
        told = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == image).int(),
            do_sample=False,
            min_new_tokens=N_ANSWER_TOKENS,
            max_new_tokens=N_ANSWER_TOKENS,
            **pixels,
        )
        assert told.shape[1] == ids.shape[1] + N_ANSWER_TOKENS
    return N_GENERATED / (time.perf_counter() - started)
