"""The files of a morning report: the page, the PDF and the exports, in one folder."""

from pathlib import Path
from typing import Final

from somnolens import storage
from somnolens.report.exports import write_annotations, write_bids_files, write_csv, write_json, write_reviews
from somnolens.report.morning import MorningReport, describe_made_by
from somnolens.report.morning_page import render_page
from somnolens.report.morning_pdf import render_pdf

PAGE: Final = "report.html"
"""Written last: where it is, the others are too."""


def write_morning_report(report: MorningReport, folder: Path) -> Path:
    """Write everything that a night leaves behind, each file whole or not at all.

    `hypnogram.*` and the BIDS files hold the hypnogram that counts: the corrected one where there is one, and then the
    model's stands beside it in `scored.csv` and `scored.json`.

    Returns
    -------
    Path
        The page.
    """
    hypnogram, scored, made_by = report.hypnogram, report.scored, describe_made_by(report)
    write_annotations(hypnogram, folder / "hypnogram.edf", report.start)
    write_csv(hypnogram, folder / "hypnogram.csv", scored.flags)
    write_json(hypnogram, folder / "hypnogram.json", scored.flags, made_by)
    if report.corrected:
        write_csv(scored.hypnogram, folder / "scored.csv", scored.flags)
        write_json(scored.hypnogram, folder / "scored.json", scored.flags, made_by)
    write_bids_files(hypnogram, folder, report.name, made_by)
    write_reviews([sight.review for sight in report.sights], scored.hypnogram, folder / "review.csv")
    storage.write_bytes(folder / "report.pdf", render_pdf(report))
    storage.write_bytes(folder / PAGE, render_page(report).encode())
    return folder / PAGE
