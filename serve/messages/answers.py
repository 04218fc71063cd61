"""Answers as they go to the client: bytes, and a scored night as JSON, CSV or a picture."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from somnolens.aasm import STAGES
from somnolens.model.adapter_card import locate_adapter
from somnolens.provenance import fingerprint_files
from somnolens.report.canvas import render_png
from somnolens.report.exports import describe_hypnogram, write_csv
from somnolens.report.plots import draw_night
from somnolens.score.night import ScoredNight, describe_reader
from somnolens.score.reader import NightReader
from somnolens.serve.messages.problems import MEDIA_TYPE, UnavailableFormatError
from somnolens.serve.messages.schema import ModelCard, StagedNight

Format = Literal["json", "csv", "png"]
MEDIA_TYPES: dict[str, Format] = {
    "application/json": "json",
    "text/csv": "csv",
    "image/png": "png",
    "application/*": "json",
    "text/*": "csv",
    "image/*": "png",
    "*/*": "json",
}


@dataclass(frozen=True)
class Told:
    """What a worker tells an ingress, which goes to the client as it is: an answer, or a problem in place of one.

    Parameters
    ----------
    content : bytes
    media_type : str
    status : int
        Of HTTP.
    file_name : str
        What a browser is to call it; empty where it is not a file.
    """

    content: bytes
    media_type: str = "application/json"
    status: int = 200
    file_name: str = ""

    @classmethod
    def of_json(cls, document: Any) -> Self:
        """Plain values as JSON; what is no number must have been made null before."""
        return cls(json.dumps(document, allow_nan=False).encode())

    @classmethod
    def of_problem(cls, problem: dict[str, Any]) -> Self:
        """A problem document."""
        return cls(json.dumps(problem).encode(), MEDIA_TYPE, problem["status"])


def choose_format(named: Format | None, accept: str) -> Format:
    """The format named in the query, else the best of the Accept header, else JSON.

    Raises
    ------
    UnavailableFormatError

    Examples
    --------
    >>> choose_format(None, "text/csv;q=0.5, image/png")
    'png'
    """
    if named or not accept.strip():
        return named or "json"
    for media_type, _ in sorted(map(_read_range, accept.split(",")), key=lambda choice: -choice[1]):
        if media_type in MEDIA_TYPES:
            return MEDIA_TYPES[media_type]
    raise UnavailableFormatError(
        "None of the media types in the Accept header can be given. There are application/json, text/csv and image/png."
    )


def describe_night(night: ScoredNight, id: str | None = None) -> StagedNight:
    """The answer in JSON. Of the start only the time of day is told: dates help to find out who slept."""
    document = describe_hypnogram(night.hypnogram, night.flags, _hide_folder(night.made_by))
    start_time = night.start.strftime("%H:%M:%S") if night.start else None
    return StagedNight(**document, id=id, start_time=start_time, derivations=night.derivations)


def tell_night(night: ScoredNight, wanted: Format) -> Told:
    """The answer in JSON, as a table, or as a picture of hypnogram and hypnodensity."""
    if wanted == "json":
        return Told(describe_night(night).model_dump_json().encode())
    if wanted == "png":
        return Told(render_png(draw_night(night.hypnogram, start=night.start)), "image/png")
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        path = Path(folder) / "hypnogram.csv"
        write_csv(night.hypnogram, path, night.flags)
        return Told(path.read_bytes(), "text/csv")


def describe_model(reader: NightReader, adapter: str) -> ModelCard:
    """What the service scores with, without saying where it lies."""
    style, folder = reader.style, locate_adapter(adapter)
    return ModelCard(
        adapter=adapter if adapter == "embedded" else folder.resolve().name,
        adapter_fingerprint=fingerprint_files(sorted(folder.glob("adapter_model.*"))),
        **_hide_folder(describe_reader(reader)),
        derivations=list(style.derivations),
        picture_px={"height": style.render.height_px, "width": style.render.width_px},
        bands_px=[list(band) for band in style.bands_px],
        epochs_shown=style.render.epochs_shown,
        sampling_rate_hz=style.prepare.sampling_rate_hz,
        stages=list(STAGES),
        metrics=reader.card.metrics,
    )


def _read_range(text: str) -> tuple[str, float]:
    """Media type and preference of one part of an Accept header."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    named = dict(parameter.partition("=")[::2] for parameter in parameters)
    try:
        return media_type, float(named.get("q", 1))
    except ValueError:
        return media_type, 0.0


def _hide_folder(made_by: dict[str, Any]) -> dict[str, Any]:
    """A base model in a local folder goes by the name of the folder: paths are the server's own business."""
    base = made_by["base_model"]
    name = Path(base["name"]).name if Path(base["name"]).is_absolute() else base["name"]
    return made_by | {"base_model": base | {"name": name}}
