"""The question and the tokens that answer it."""

import copy

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from somnolens.aasm import STAGES
from somnolens.config import ModelSettings
from somnolens.errors import BaseModelError
from somnolens.model.architecture import build_tokenizer
from somnolens.model.prompt import encode_prompt, find_class_tokens
from tests.tiny_models import MODELS
from tests.tiny_models import build_tokenizer as build_hub_tokenizer


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


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [
        ("qwen2_5_vl", ["W", "1", "2", "3", "R"]),  # the answer begins a line
        ("smolvlm", ["ĠW", "1", "2", "3", "ĠR"]),  # the answer follows a space, which belongs to its token
        ("llava_next", ["▁W", "1", "2", "3", "▁R"]),  # every word begins with a mark
        ("llava_onevision", ["W", "1", "2", "3", "R"]),  # the answer begins a line, though it is asked for in another
    ],
)
def test_class_tokens_are_those_by_which_answers_in_a_chat_differ(kind, tokens):
    tokenizer = copy.deepcopy(build_hub_tokenizer(kind))
    tokenizer.chat_template = MODELS[kind]["chat"]
    assert tokenizer.convert_ids_to_tokens(find_class_tokens(tokenizer)) == tokens


def test_without_a_chat_template_a_mark_before_the_first_word_belongs_to_the_answer():
    tokenizer = build_hub_tokenizer("llava_next")
    assert tokenizer.convert_ids_to_tokens(find_class_tokens(tokenizer)) == ["▁W", "1", "2", "3", "▁R"]


def test_a_mark_that_is_a_token_of_its_own_tells_no_stages_apart():
    """Llama's tokenizers cut '1' into a mark and a digit: as answers of their own, 1, 2 and 3 would begin alike."""
    tokenizer = build_hub_tokenizer("llava_next")
    cut = [tokenizer.convert_ids_to_tokens(tokenizer(answer, add_special_tokens=False).input_ids) for answer in "123"]
    assert cut == [["▁", "1"], ["▁", "2"], ["▁", "3"]]


def test_the_first_token_of_everything_is_written_once():
    tokenizer = copy.deepcopy(build_hub_tokenizer("llava_next"))
    for template in (MODELS["llava_next"]["chat"], "{{ bos_token }}" + MODELS["llava_next"]["chat"]):
        tokenizer.chat_template = template
        ids = encode_prompt(tokenizer, "Which stage?", "<image>", "<image>" * 3)
        assert tokenizer.convert_ids_to_tokens(ids).count("<s>") == 1
        assert ids[0] == tokenizer.bos_token_id


def test_a_prompt_that_names_the_image_token_is_refused():
    tokenizer = build_tokenizer()
    with pytest.raises(BaseModelError, match=r"writes 2 image tokens for 1 picture\(s\), not one for each"):
        encode_prompt(tokenizer, "What is <|image_pad|>?", "<|image_pad|>", "<|image_pad|>" * 3)


def test_a_tokenizer_that_cannot_tell_the_stages_apart_is_refused():
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    with pytest.raises(BaseModelError, match="five different tokens"):
        find_class_tokens(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?"))


def test_the_prompt_holds_one_token_for_each_that_the_picture_costs():
    tokenizer = build_tokenizer()
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    ids = encode_prompt(tokenizer, ModelSettings().prompt, "<|image_pad|>", "<|image_pad|>" * 98)
    assert ids.count(image) == 98
    assert tokenizer.decode([token for token in ids if token != image]).count("Classify the PSG.") == 1
    assert len(ids) - 98 < 30


def test_any_text_survives_the_tokenizer():
    tokenizer = build_tokenizer()
    text = "Épochs of 30 s, ünd rhythm; N2!\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
