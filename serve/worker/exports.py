"""A night as it leaves the service: reports and exports, with the corrections of a person in their place."""

import io
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from somnolens.hypnogram import Hypnogram
from somnolens.report.exports import write_annotations, write_bids_files, write_csv, write_json
from somnolens.report.morning import make_report
from somnolens.report.morning_page import render_page
from somnolens.report.morning_pdf import render_pdf
from somnolens.serve.messages.answers import Told, tell_night
from somnolens.serve.worker.questions import ANSWERS, Asked

NAME: Final = "night"
"""Files that leave are not called after the one that came: its name may say whose night it is."""


def write_report(asked: Asked) -> Told:
    """The morning report as a page or as a PDF."""
    kept = asked.kept
    corrected = asked.hypnogram if asked.corrections["stages"] else None
    adapter, age = asked.wanted.get("adapter", ""), asked.wanted.get("age")
    known = {"qualities": kept.qualities, "evidence": kept.evidence}
    made = make_report(kept.seen, kept.scored, asked.reader, adapter, corrected, age, **known)
    if asked.wanted["format"] == "pdf":
        return Told(render_pdf(made), "application/pdf", file_name=f"{NAME}.pdf")
    return Told(render_page(made).encode(), "text/html; charset=utf-8", file_name="")


def tell_again(asked: Asked) -> Told:
    """The answer of the night as it was given, as a table or a picture."""
    return tell_night(asked.kept.scored, asked.wanted["format"])


def export_hypnogram(asked: Asked) -> Told:
    """The stages in a format of other programs, with corrections or without."""
    write, ending, media_type = EXPORTS[asked.wanted["format"]]
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        path = Path(folder) / f"{NAME}-hypnogram.{ending}"
        write(asked, asked.hypnogram, path)
        return Told(path.read_bytes(), media_type, file_name=path.name)


def _export_json(asked: Asked, hypnogram: Hypnogram, path: Path) -> None:
    write_json(hypnogram, path, asked.kept.scored.flags, _describe_origin(asked, hypnogram))


def _export_csv(asked: Asked, hypnogram: Hypnogram, path: Path) -> None:
    write_csv(hypnogram, path, asked.kept.scored.flags)


def _export_edf(asked: Asked, hypnogram: Hypnogram, path: Path) -> None:
    write_annotations(hypnogram, path, asked.kept.scored.start)


def _export_bids(asked: Asked, hypnogram: Hypnogram, path: Path) -> None:
    """Four files in one archive: a table of BIDS is nothing without its sidecar."""
    folder = path.parent / "bids"
    folder.mkdir()
    write_bids_files(hypnogram, folder, NAME, _describe_origin(asked, hypnogram))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(one.name, NO_DATE), one.read_bytes())
    path.write_bytes(stream.getvalue())


def _describe_origin(asked: Asked, hypnogram: Hypnogram) -> dict[str, Any]:
    scored = asked.kept.scored
    own = scored.hypnogram
    changed = [epoch for epoch, pair in enumerate(zip(own.stages, hypnogram.stages, strict=True)) if len(set(pair)) > 1]
    return scored.made_by | {"derivations": scored.derivations, "corrected_epochs": changed}


NO_DATE: Final = datetime(1980, 1, 1).timetuple()[:6]
"""Of the files in an archive; equal input gives equal bytes."""

EXPORTS: Final[dict[str, tuple[Callable[[Asked, Hypnogram, Path], None], str, str]]] = {
    "json": (_export_json, "json", "application/json"),
    "csv": (_export_csv, "csv", "text/csv"),
    "edf": (_export_edf, "edf", "application/octet-stream"),
    "bids": (_export_bids, "zip", "application/zip"),
}
"""How each format is written, how its file ends, and its media type."""

QUESTIONS: Final[dict[str, Callable[[Asked], Told]]] = ANSWERS | {
    "night": tell_again,
    "report": write_report,
    "hypnogram": export_hypnogram,
}
"""Everything that can be asked about a night."""
