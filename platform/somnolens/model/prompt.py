"""The question put to the model, and the tokens that answer it."""

from transformers import PreTrainedTokenizerBase

from somnolens.aasm import STAGES
from somnolens.errors import BaseModelError

_ANSWERS = (STAGES, ("W", "1", "2", "3", "R"))
"""Names of the stages, and the short ones for tokenizers that would begin N1, N2 and N3 alike."""


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, prompt: str, image_token_id: int, n_image_tokens: int
) -> list[int]:
    """Token ids up to where the answer begins: one picture, then the question.

    The chat template writes one image token; it is repeated for every token the picture costs.
    """
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    ids = tokenizer(text, add_special_tokens=False).input_ids
    if ids.count(image_token_id) != 1:
        raise BaseModelError(
            f"The chat template of the base model writes {ids.count(image_token_id)} image tokens for one picture, "
            "not 1. Name another base model."
        )
    place = ids.index(image_token_id)
    return ids[:place] + [image_token_id] * n_image_tokens + ids[place + 1 :]


def find_class_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """One token per stage, in the order of `aasm.STAGES`: the first of each answer, all different.

    Raises
    ------
    BaseModelError
        Where no set of answers begins with five different tokens.
    """
    for answers in _ANSWERS:
        first = [tokenizer(answer, add_special_tokens=False).input_ids[0] for answer in answers]
        if len(set(first)) == len(first):
            return first
    raise BaseModelError(f"No answers {_ANSWERS} begin with five different tokens. Name another base model.")
