"""The question and the tokens that answer it."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from somnolens.aasm import STAGES
from somnolens.config import ModelSettings
from somnolens.errors import BaseModelError
from somnolens.model.architecture import build_tokenizer
from somnolens.model.prompt import encode_prompt, find_class_tokens


def make_letter_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character, so that N1, N2 and N3 begin alike."""
    letters = {letter: place for place, letter in enumerate("?WNR123")}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")


def test_each_stage_is_one_token_of_the_embedded_tokenizer():
    tokenizer = build_tokenizer()
    assert tokenizer.convert_ids_to_tokens(find_class_tokens(tokenizer)) == list(STAGES)


def test_a_tokenizer_that_splits_stage_names_gets_short_answers():
    tokenizer = make_letter_tokenizer()
    assert tokenizer.convert_ids_to_tokens(find_class_tokens(tokenizer)) == ["W", "1", "2", "3", "R"]


def test_a_tokenizer_that_cannot_tell_the_stages_apart_is_refused():
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    with pytest.raises(BaseModelError, match="five different tokens"):
        find_class_tokens(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?"))


def test_the_prompt_holds_one_token_for_each_that_the_picture_costs():
    tokenizer = build_tokenizer()
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    ids = encode_prompt(tokenizer, ModelSettings().prompt, image, 98)
    assert ids.count(image) == 98
    assert tokenizer.decode([token for token in ids if token != image]).count("Classify the PSG.") == 1
    assert len(ids) - 98 < 30


def test_any_text_survives_the_tokenizer():
    tokenizer = build_tokenizer()
    text = "Épochs of 30 s, ünd rhythm; N2!\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
