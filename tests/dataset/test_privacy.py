"""What identifies a person stands in the header of many recordings, and in nothing that comes out."""

import contextlib
import logging
import re
import shutil
import subprocess
import zlib
from datetime import date
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.config import DatasetSettings
from somnolens.dataset.rows import build_shard
from somnolens.errors import SomnolensError
from somnolens.read.cohorts import find_nights
from somnolens.render.style import Style
from somnolens.report.night import write_night
from somnolens.score.engine import load_engine
from somnolens.score.night import score_recording
from tests.small_cohort import STAGES, build_without_ray, small_settings

pytestmark = pytest.mark.slow

SECRET = b"Kowalczyk"
BIRTH_YEAR = b"1951"


def write_identified(path: Path, n_epochs: int = len(STAGES)) -> bytes:
    """A recording whose header names a person wherever EDF+ lets it."""
    rng, n_samples = np.random.default_rng(0), 100 * 30 * n_epochs
    header = {
        "label": "EEG C4-M1",
        "dimension": "uV",
        "sample_frequency": 100,
        "physical_min": -500,
        "physical_max": 500,
        "digital_min": -32768,
        "digital_max": 32767,
        "transducer": "Kowalczyk electrode",
        "prefilter": "Kowalczyk filter",
    }
    with pyedflib.EdfWriter(str(path), 1) as writer:
        writer.setPatientName("Anna_Kowalczyk")
        writer.setPatientCode("KowalczykCode")
        writer.setBirthdate(date(1951, 5, 2))
        writer.setPatientAdditional("KowalczykPatient")
        writer.setRecordingAdditional("KowalczykR")
        writer.setAdmincode("KowalczykA")
        writer.setTechnician("KowalczykT")
        writer.setEquipment("KowalczykE")
        writer.setSignalHeader(0, header)
        writer.writeSamples([rng.normal(0, 20, n_samples)])
        writer.writeAnnotation(0, 30, "Sleep stage W")
        writer.writeAnnotation(30, 10, "KowalczykAnnotation")
    return path.read_bytes()


def write_scoring(path: Path) -> None:
    with pyedflib.EdfWriter(str(path), 0) as writer:
        writer.setPatientName("Anna_Kowalczyk")
        writer.setTechnician("KowalczykT")
        for epoch in range(len(STAGES)):
            writer.writeAnnotation(30 * epoch, 30, f"Sleep stage {('W', '1', '2', 'R')[epoch % 4]}")


@pytest.fixture
def identified(tmp_path) -> Path:
    """One good recording, and one for each way that we know of to be bad."""
    folder = tmp_path / "nights"
    folder.mkdir()
    content = write_identified(folder / "SIM001-PSG.edf")
    write_scoring(folder / "SIM001-Hypnogram.edf")
    broken = {
        "cut_short": content[: len(content) // 2],
        "cut_in_header": content[:300],
        "no_records": content[:236] + b"0       " + content[244:],
        "bad_range": content.replace(b"-500    ", b"500     "),
        "not_ascii": content.replace(b"Anna_", b"\xc4nna_"),
        "bad_date": content[:168] + b"99.99.99" + content[176:],
        "no_version": SECRET + content[9:],
        "no_derivation": content.replace(b"EEG C4-M1", b"Resp nase"),
        "text": b"Kowalczyk, Anna, born 02.05.1951, came with her recording.",
    }
    for number, damaged in enumerate(broken.values(), start=2):
        (folder / f"SIM{number:03d}-PSG.edf").write_bytes(damaged)
    return folder


def assert_nobody_is_named(folder: Path, *said: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET.lower() not in content.lower(), path
            assert path.suffix not in (".csv", ".json", ".tsv", ".log") or BIRTH_YEAR not in content, path
    for text in said:
        assert SECRET.decode().lower() not in text.lower()
        assert BIRTH_YEAR.decode() not in text


def test_the_token_is_planted(identified):
    for path in identified.iterdir():
        assert SECRET in path.read_bytes(), path


def test_nobody_is_named_in_a_dataset(identified, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    dataset = build_without_ray(identified, tmp_path / "out", small_settings("embedded"))
    assert dataset.manifest["n_failed"] >= 6
    captured = capfd.readouterr()
    assert_nobody_is_named(tmp_path / "out", caplog.text, captured.out, captured.err)


def test_nobody_is_named_in_a_report(identified, tmp_path):
    settings = small_settings("embedded")
    style = Style(settings.render, settings.prepare)
    for night in find_nights(identified):
        assert_nobody_is_named(
            tmp_path / "out", str(build_shard(night, "train", style, tmp_path / "out", DatasetSettings()))
        )


def test_nobody_is_named_in_a_scored_night(identified, adapter_folder, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    engine, said = load_engine(adapter_folder), []
    for path in sorted(identified.glob("*-PSG.edf")):
        try:
            scored = score_recording(path, engine)
        except SomnolensError as error:
            said.append(str(error))
        else:
            write_night(scored, tmp_path / "out", path.stem)
    captured = capfd.readouterr()
    assert (tmp_path / "out" / "SIM001-PSG.json").is_file()
    assert_nobody_is_named(tmp_path / "out", *said, caplog.text, captured.out, captured.err)


def read_pdf(path: Path) -> bytes:
    """A PDF with its streams unpacked, and its letters where a program that reads them is on the PATH."""
    content = path.read_bytes()
    streams = re.findall(rb"stream\n(.*?)\nendstream", content, re.DOTALL)
    unpacked = [zlib.decompress(stream) for stream in streams if stream[:1] == b"x"]
    words = b""
    if shutil.which("pdftotext"):
        words = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout
        assert b"Sleep statistics" in words
    return b"\n".join([content, *unpacked, words])


def test_nobody_is_named_in_a_morning_report(identified, adapter_folder, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    night, out = identified / "SIM001-PSG.edf", tmp_path / "out"
    command = ["report", str(night), "--adapter", str(adapter_folder), "--out", str(out)]
    command += ["--hypnogram", str(identified / "SIM001-Hypnogram.edf"), "--age", "75"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert len(list(out.iterdir())) == 12
    assert_nobody_is_named(out, result.output, caplog.text)
    (tmp_path / "read" / "pdf").mkdir(parents=True)
    (tmp_path / "read" / "pdf" / "report.txt").write_bytes(read_pdf(out / "report.pdf"))
    assert_nobody_is_named(tmp_path / "read")
    page = (out / "report.html").read_text()
    assert "65 years and older" in page
    assert not re.search(r"\b(75 years|aged 75|1951)\b", page)


def test_nobody_is_named_by_a_report_that_fails(identified, adapter_folder, tmp_path):
    for path in sorted(identified.glob("*-PSG.edf"))[1::3]:
        command = ["report", str(path), "--adapter", str(adapter_folder), "--out", str(tmp_path / path.stem)]
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, SomnolensError), path
        assert_nobody_is_named(tmp_path / path.stem, result.output, str(result.exception))


def test_nobody_is_named_by_inspect(identified):
    for path in identified.glob("*-PSG.edf"):
        result = CliRunner().invoke(app, ["inspect", str(path)])
        with contextlib.suppress(AttributeError):
            assert_nobody_is_named(path, str(result.exception))
        assert_nobody_is_named(path.with_suffix(".none"), result.output, repr(result.exception))


def test_nobody_is_named_by_inspecting_a_folder(identified):
    (identified / "SIM001-Hypnogram.edf").unlink()  # so that annotations of the recording are looked at
    result = CliRunner().invoke(app, ["inspect", str(identified)], catch_exceptions=False)
    assert result.exit_code == 0
    assert_nobody_is_named(identified / "none", result.output)
