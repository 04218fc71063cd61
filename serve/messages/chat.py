"""One picture in the way programs talk to vision-language models: OpenAI's chat completions.

The answer is one token, the stage; its log-probability and those of the other four come with it. There is nothing
to sample: temperature and the like are taken and change nothing.
"""

import base64
import binascii
import io
import time
import uuid
from typing import Annotated, Any, Final, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from somnolens.aasm import STAGES
from somnolens.render.style import Style
from somnolens.serve.messages.problems import UnusablePictureError

DATA_URL: Final = "data:image/png;base64,"
LEAST_LOG: Final = -100.0
"""In place of minus infinity, which JSON does not have."""


class TextPart(BaseModel):
    """Words beside the picture. The adapter has its own prompt, and they are not read."""

    type: Literal["text"]
    text: str


class ImageUrl(BaseModel):
    """A picture inside the message."""

    url: str = Field(description=f"{DATA_URL}..., a picture as the adapter sees it")


class ImagePart(BaseModel):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


class Message(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Annotated[TextPart | ImagePart, Field(discriminator="type")]]


class ChatRequest(BaseModel):
    """A conversation with one picture in it; other fields of OpenAI's are taken and change nothing."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "example": {
                "model": "embedded",
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Classify the PSG."},
                            {"type": "image_url", "image_url": {"url": f"{DATA_URL}iVBORw0KGgo="}},
                        ],
                    }
                ],
                "logprobs": True,
            }
        },
    )

    model: str = Field("", description="adapter by name; the default where it is empty")
    messages: list[Message] = Field(min_length=1)
    logprobs: bool = False
    top_logprobs: int = Field(5, ge=0, le=20)
    stream: bool = False
    n: int = Field(1, ge=1, le=1, description="there is one answer")


def parse_chat(body: bytes) -> ChatRequest:
    """A request body.

    Raises
    ------
    UnusablePictureError
    """
    try:
        asked = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise UnusablePictureError(
            f"The request cannot be used: {'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}. "
            "GET /docs shows an example."
        ) from None
    if asked.stream:
        raise UnusablePictureError("The answer is one token, which is not streamed. Leave out 'stream'.")
    return asked


def find_picture(asked: ChatRequest) -> bytes:
    """The one picture of a conversation, PNG.

    Raises
    ------
    UnusablePictureError
    """
    parts = [part for message in asked.messages if not isinstance(message.content, str) for part in message.content]
    urls = [part.image_url.url for part in parts if isinstance(part, ImagePart)]
    if len(urls) != 1 or not urls[0].startswith(DATA_URL):
        raise UnusablePictureError(
            f"The conversation has {len(urls)} picture(s); looked for one, inside the message as '{DATA_URL}...'. "
            "Send one epoch's picture at a time."
        )
    try:
        return base64.b64decode(urls[0].removeprefix(DATA_URL), validate=True)
    except binascii.Error:
        raise UnusablePictureError("The picture is not base64. Encode the bytes of the PNG.") from None


def read_picture(content: bytes, style: Style) -> np.ndarray:
    """A picture as the adapter sees it, of any PNG that shows the same.

    Returns
    -------
    ndarray of uint8, shape (1, height_px, width_px)
        Palette indices.

    Raises
    ------
    UnusablePictureError
    """
    colours = _read_colours(content, style)
    known = style.palette.astype(np.uint32) @ _PLACES
    order = np.argsort(known, kind="stable")
    flat = colours.astype(np.uint32) @ _PLACES
    place = np.minimum(np.searchsorted(known, flat, sorter=order), len(known) - 1)
    foreign = known[order[place]] != flat
    if foreign.any():
        raise UnusablePictureError(
            f"{int(foreign.sum()):,} pixels have colours that the adapter never saw. Looked for pictures drawn by "
            f"somnolens in the style {style.hash}, without smoothing or JPEG: GET /v1/nights/ID/epochs/0/picture."
        )
    return order[place].astype(np.uint8)[None]


_PLACES: Final = np.array([65536, 256, 1], dtype=np.uint32)


def _read_colours(content: bytes, style: Style) -> np.ndarray:
    """Red, green and blue, uint8, shape (height_px, width_px, 3); nothing large is decoded."""
    height, width = style.shape_px
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            if picture.size != (width, height):
                raise UnusablePictureError(
                    f"The picture has {picture.width} x {picture.height} px; the adapter sees {width} x {height}. "
                    "Draw it in the adapter's style: GET /v1/model names it."
                )
            if picture.mode not in ("P", "RGB") or "transparency" in picture.info:
                raise UnusablePictureError(f"The picture has the mode {picture.mode}. Save it as plain RGB.")
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise UnusablePictureError("The picture is not a PNG that can be read. Save it again.") from None


def describe_completion(asked: ChatRequest, model: str, probabilities: np.ndarray) -> dict[str, Any]:
    """The answer as OpenAI's clients read it.

    Parameters
    ----------
    asked : ChatRequest
    model : str
    probabilities : ndarray, shape (5,)
    """
    order = np.argsort(-probabilities, kind="stable")
    tokens = [_describe_token(STAGES[place], probabilities[place]) for place in order]
    logprobs = {"content": [tokens[0] | {"top_logprobs": tokens[: asked.top_logprobs]}], "refusal": None}
    message = {"role": "assistant", "content": tokens[0]["token"], "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs if asked.logprobs else None}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
    }


def _describe_token(stage: str, probability: float) -> dict[str, Any]:
    log = float(np.log(probability)) if probability > 0 else LEAST_LOG
    return {"token": stage, "logprob": max(log, LEAST_LOG), "bytes": list(stage.encode())}
