"""The PDF of the morning report: A4, an outline, words for its pictures."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from somnolens.report.morning_pdf import render_pdf

HEADINGS = ("Sleep statistics", "Corrected against somnolens", "Epochs to look at", "Signal quality", "Notes", "Model")


@pytest.fixture(scope="module")
def pdf(corrected_report) -> bytes:
    return render_pdf(corrected_report)


def test_every_page_is_a4(pdf):
    assert re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    for width, height in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf):
        assert (round(float(width)), round(float(height))) == (595, 842)
    assert 2 <= pdf.count(b"/Type /Page\n") <= 6


def test_sections_stand_in_the_outline(pdf):
    titles = [name.encode("utf-16-be") for name in HEADINGS]
    plain = [name.encode() for name in HEADINGS]
    assert all(title in pdf or words in pdf for title, words in zip(titles, plain, strict=True))


def test_the_language_is_told_and_pictures_have_words(pdf):
    assert b"/Lang" in pdf
    assert pdf.count(b"/Alt") >= 3


def test_letters_are_letters(pdf, tmp_path, corrected_report):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not on the PATH")
    (tmp_path / "report.pdf").write_bytes(pdf)
    command = ["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"]
    text = re.sub(r"\s+", " ", subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for words in (
        *HEADINGS,
        "night <7>",
        "usual",
        "86.4 % of 22 epochs the same",
        corrected_report.scored.made_by["render_hash"],
    ):
        assert words in text


def test_a_name_in_another_script_does_not_stop_the_report(report):
    assert render_pdf(replace(report, name="夜 Żółw")).startswith(b"%PDF")
