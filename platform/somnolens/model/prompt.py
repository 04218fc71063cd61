"""The question put to the model, and the tokens that answer it."""

from transformers import PreTrainedTokenizerBase

from somnolens.aasm import STAGES
from somnolens.errors import BaseModelError


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, prompt: str, image_token: str, picture: str, n_pictures: int = 1
) -> list[int]:
    """Token ids up to where the answer begins: the pictures, then the question.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Its chat template writes one image token for a picture.
    prompt : str
    image_token, picture : str
        What the template writes, and the text that takes its place, as `Family.write_picture` gives it.
    n_pictures : int
    """
    content = [*[{"type": "image"}] * n_pictures, {"type": "text", "text": prompt}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    if text.count(image_token) != n_pictures:
        raise BaseModelError(
            f"The chat template of the base model writes {text.count(image_token)} image tokens for {n_pictures} "
            "picture(s), not one for each. Name another base model."
        )
    return _tokenize(tokenizer, text.replace(image_token, picture))


def find_class_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """One token per stage, in the order of `aasm.STAGES`, all different.

    It is the first token by which an answer differs from all others: the whole name where that is one
    token, `1` for N1 where N1, N2 and N3 begin with the same `N`. What the answer follows decides how it
    is cut (a space before it belongs to the token of many tokenizers), so the tokens are taken from whole
    conversations in the words of the chat template.

    Raises
    ------
    BaseModelError
        Where some stages cannot be told apart.
    """
    answers = [_encode_answer(tokenizer, stage) for stage in STAGES]
    tokens = [_find_difference(answer, [other for other in answers if other is not answer]) for answer in answers]
    if None in tokens or len(set(tokens)) < len(tokens):
        shown = ", ".join("-".join(tokenizer.convert_ids_to_tokens(answer)[-4:]) for answer in answers)
        raise BaseModelError(
            f"The tokenizer of the base model gives {', '.join(STAGES)} no five different tokens: "
            f"their answers end with {shown}. Name another base model."
        )
    return [token for token in tokens if token is not None]


def _encode_answer(tokenizer: PreTrainedTokenizerBase, answer: str) -> list[int]:
    """A conversation with this answer, or the answer alone where there is no chat template."""
    if not tokenizer.chat_template:
        return tokenizer(answer, add_special_tokens=False).input_ids
    conversation = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in (("user", "?"), ("assistant", answer))
    ]
    return _tokenize(tokenizer, tokenizer.apply_chat_template(conversation, tokenize=False))


def _find_difference(answer: list[int], others: list[list[int]]) -> int | None:
    """The first token that no other answer has in its place."""
    for place, token in enumerate(answer):
        if all(place >= len(other) or other[place] != token for other in others):
            return token
    return None


def _tokenize(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """As the processors do: a first token such as <s> is added where the template has not written it."""
    written = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
    return tokenizer(text, add_special_tokens=not written).input_ids
