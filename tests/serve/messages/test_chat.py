"""One picture as a chat: what is answered, and the sentence for what is no picture of ours."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from somnolens.aasm import STAGES
from somnolens.config import PrepareSettings, RenderSettings
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.score.probe import draw_known_pictures
from somnolens.serve.messages.chat import describe_completion, find_picture, parse_chat, read_picture
from somnolens.serve.messages.problems import UnusablePictureError

STYLE = Style(RenderSettings(), PrepareSettings())
PICTURE = draw_known_pictures(STYLE)[1]
PNG = encode_png(PICTURE, STYLE.palette)


def ask(png: bytes = PNG, **more) -> bytes:
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    parts = [{"type": "text", "text": "Which stage?"}, {"type": "image_url", "image_url": {"url": url}}]
    return json.dumps({"messages": [{"role": "user", "content": parts}]} | more).encode()


def save(picture: Image.Image, kind: str = "PNG", **more) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **more)
    return stream.getvalue()


def look(content: bytes) -> np.ndarray:
    """Colours of a picture as the model sees them."""
    return STYLE.palette[read_picture(content, STYLE)[0]]


def test_a_picture_of_ours_is_read_as_it_was_drawn():
    np.testing.assert_array_equal(look(find_picture(parse_chat(ask()))), STYLE.palette[PICTURE])


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_the_same_picture_saved_by_another_program_is_the_same(mode):
    plain = Image.fromarray(STYLE.palette[PICTURE])
    again = plain if mode == "RGB" else plain.quantize(256, dither=Image.Dither.NONE)
    if mode == "P":
        assert len(plain.getcolors()) < 256
    np.testing.assert_array_equal(look(save(again)), STYLE.palette[PICTURE])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (save(Image.new("RGB", (100, 50))), "has 100 x 50 px; the adapter sees 448 x 224"),
        (save(Image.new("L", (448, 224))), "has the mode L"),
        (save(Image.new("RGBA", (448, 224))), "has the mode RGBA"),
        (save(Image.new("RGB", (448, 224), (1, 2, 3))), "100,352 pixels have colours"),
        (save(Image.fromarray(STYLE.palette[PICTURE]), "JPEG"), "not a PNG that can be read"),
        (PNG[:300], "not a PNG that can be read"),
        (b"", "not a PNG that can be read"),
    ],
)
def test_what_is_no_picture_of_ours_gets_a_sentence(content, sentence):
    with pytest.raises(UnusablePictureError, match=sentence):
        read_picture(content, STYLE)


def test_a_picture_that_promises_to_be_huge_is_not_decoded():
    header = bytearray(PNG)
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(UnusablePictureError):
        read_picture(bytes(header), STYLE)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "body: Invalid JSON"),
        (b'{"messages": []}', "messages: List should have at least 1 item"),
        (b'{"messages": [{"role": "user", "content": "N2?"}]}', r"has 0 picture\(s\)"),
        (ask(stream=True), "which is not streamed"),
        (ask(n=2), "n: Input should be less than or equal to 1"),
        (ask().replace(b"data:image/png", b"https://evil.example/a"), "looked for one, inside the message"),
        (ask().replace(b"base64,", b"base64,???"), "not base64"),
    ],
)
def test_a_conversation_without_one_picture_gets_a_sentence(body, sentence):
    with pytest.raises(UnusablePictureError, match=sentence):
        find_picture(parse_chat(body))


def test_the_answer_is_one_token_with_the_log_probabilities_of_all_five():
    probabilities = np.array([0.1, 0.2, 0.5, 0.2, 0.0])
    answer = describe_completion(parse_chat(ask(logprobs=True)), "wide", probabilities)
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"], answer["model"]) == ("N2", "stop", "wide")
    (token,) = choice["logprobs"]["content"]
    assert (token["token"], bytes(token["bytes"])) == ("N2", b"N2")
    told = {one["token"]: one["logprob"] for one in token["top_logprobs"]}
    assert set(told) == set(STAGES)
    assert np.exp(list(told.values())).sum() == pytest.approx(1)
    assert told["R"] == -100.0
    json.dumps(answer, allow_nan=False)


def test_log_probabilities_come_only_when_asked_for():
    (choice,) = describe_completion(parse_chat(ask()), "wide", np.eye(5)[0])["choices"]
    assert choice["logprobs"] is None
