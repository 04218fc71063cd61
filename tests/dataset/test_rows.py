"""A night becomes a shard, or a sentence."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from somnolens.config import DatasetSettings, RenderSettings, Settings
from somnolens.dataset.rows import SCHEMA, ShardReport, build_shard, read_night
from somnolens.hypnogram import Hypnogram
from somnolens.read.edf import read_facts
from somnolens.read.night import Night, Scoring
from somnolens.render.pictures import render_epochs
from somnolens.render.png import decode_png
from somnolens.render.style import Style
from somnolens.simulate.writing import write_hypnogram
from tests.small_cohort import N_EPOCHS, STAGES, find_shard


@pytest.fixture
def style() -> Style:
    return Style(Settings().render, Settings().prepare)


@pytest.fixture
def night(small_nights) -> Night:
    scoring = Scoring(small_nights / "SIM001-Hypnogram.edf")
    return Night("simulated", "SIM001", "SIM001", small_nights / "SIM001-PSG.edf", (scoring,))


def read_shard(folder: Path):
    return pq.read_table(find_shard(folder, "SIM001"), partitioning=None)


def test_a_shard_has_the_columns_and_types_of_the_schema(night, style, tmp_path):
    report = build_shard(night, "train", style, tmp_path, DatasetSettings())
    table = read_shard(tmp_path)
    assert table.schema.remove_metadata().equals(SCHEMA)
    assert (report.n_epochs, report.n_unscored, report.error) == (N_EPOCHS, 1, "")
    columns = {name: set(table[name].to_pylist()) for name in ("cohort", "subject", "night", "split", "render_hash")}
    assert columns == {
        "cohort": {"simulated"},
        "subject": {"SIM001"},
        "night": {"SIM001"},
        "split": {"train"},
        "render_hash": {style.hash},
    }


def test_rows_are_the_epochs_in_order_with_the_stages_of_the_scoring(night, style, tmp_path):
    build_shard(night, "train", style, tmp_path, DatasetSettings())
    table = read_shard(tmp_path)
    assert table["epoch"].to_pylist() == list(range(N_EPOCHS))
    assert table["onset_s"].to_pylist() == [30.0 * epoch for epoch in range(N_EPOCHS)]
    assert tuple(table["stage"].to_pylist()) == STAGES


def test_the_pictures_of_a_shard_are_those_that_scoring_draws(night, style, tmp_path):
    build_shard(night, "train", style, tmp_path, DatasetSettings())
    images = read_shard(tmp_path)["image"].to_pylist()
    drawn = render_epochs(read_night(night, style.prepare).epochs, style)
    np.testing.assert_array_equal(np.stack([decode_png(image["bytes"]) for image in images]), drawn)
    assert {image["path"] for image in images} == {None}


def test_another_reader_sees_the_picture_in_its_colours(night, style, tmp_path):
    build_shard(night, "train", style, tmp_path, DatasetSettings())
    content = read_shard(tmp_path)["image"][0].as_py()["bytes"]
    with Image.open(io.BytesIO(content)) as picture:
        colours = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(colours, style.palette[decode_png(content)])


def test_built_twice_a_shard_has_the_same_bytes(night, style, tmp_path):
    for name in ("one", "two"):
        build_shard(night, "train", style, tmp_path / name, DatasetSettings())
    one, two = (find_shard(tmp_path / name, "SIM001").read_bytes() for name in ("one", "two"))
    assert one == two


def test_another_style_is_another_shard(night, style, tmp_path):
    other = Style(RenderSettings(preset="paper-336"), Settings().prepare)
    for name, drawn in (("one", style), ("two", other)):
        build_shard(night, "train", drawn, tmp_path / name, DatasetSettings())
    one, two = (read_shard(tmp_path / name) for name in ("one", "two"))
    assert set(one["render_hash"].to_pylist()).isdisjoint(two["render_hash"].to_pylist())
    assert decode_png(two["image"][0].as_py()["bytes"]).shape == (336, 336)


def test_a_night_nobody_scored_is_drawn_as_unscored(night, style, tmp_path):
    report = build_shard(replace(night, scorings=()), "test", style, tmp_path, DatasetSettings())
    assert (report.n_epochs, report.n_unscored) == (N_EPOCHS, N_EPOCHS)
    table = read_shard(tmp_path)
    assert set(table["stage"].to_pylist()) == {"UNSCORED"}
    assert set(table["scorer"].to_pylist()) == {"nobody"}


def fail(night: Night, style: Style, folder: Path) -> ShardReport:
    report = build_shard(night, "train", style, folder, DatasetSettings())
    assert not list(folder.rglob("*.parquet"))
    assert report.n_epochs == 0
    return report


def test_a_file_of_another_kind_becomes_its_sentence(night, style, tmp_path):
    path = tmp_path / "SIM001-PSG.edf"
    path.write_bytes(b"PK\x03\x04" + bytes(2000))
    report = fail(replace(night, recording_path=path), style, tmp_path / "out")
    assert report.kind == "UnreadableRecording"
    assert report.error.startswith("SIM001-PSG.edf is not an EDF or BDF file")


def test_a_truncated_recording_becomes_its_sentence(night, style, tmp_path):
    path = tmp_path / "SIM001-PSG.edf"
    content = night.recording_path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    report = fail(replace(night, recording_path=path), style, tmp_path / "out")
    assert report.kind == "UnreadableRecording"
    assert "is cut short" in report.error


def test_a_scoring_that_is_none_becomes_its_sentence(night, style, tmp_path):
    path = tmp_path / "SIM001-Hypnogram.edf"
    path.write_bytes(b"")
    report = fail(replace(night, scorings=(Scoring(path),)), style, tmp_path / "out")
    assert report.kind == "UnreadableHypnogram"
    assert "SIM001-Hypnogram.edf" in report.error


def test_a_failed_night_leaves_no_part_of_a_shard(night, style, tmp_path):
    fail(replace(night, recording_path=tmp_path / "gone.edf"), style, tmp_path / "out")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class Kowalczyk(type(Path())):
    """A path that cannot be opened, with a text that must not get out."""

    def __fspath__(self) -> str:
        raise RuntimeError("Kowalczyk was born in 1951")

    def stat(self, **_):
        raise RuntimeError("Kowalczyk was born in 1951")

    open = read_bytes = is_file = exists = stat


def test_a_bug_tells_its_place_and_not_its_text(night, style, tmp_path):
    broken = replace(night, recording_path=Kowalczyk(night.recording_path))
    report = fail(broken, style, tmp_path / "out")
    assert report.kind == "Bug"
    assert report.error.startswith("RuntimeError at test_rows.py:")
    assert report.error.endswith("Please report it.")
    assert "Kowalczyk" not in str(report)


def test_every_scorer_keeps_a_column_beside_the_consensus(night, style, tmp_path):
    said = {"anna": ("W", "N1", "N2"), "berta": ("W", "N2", "N2"), "clara": ("W", "N2", "UNSCORED")}
    start = read_facts(night.recording_path).start
    for scorer, stages in said.items():
        write_hypnogram(Hypnogram((*stages, *["UNSCORED"] * 5)), tmp_path / f"{scorer}.edf", start)
    scorings = tuple(Scoring(tmp_path / f"{scorer}.edf", scorer) for scorer in said)
    build_shard(replace(night, scorings=scorings), "train", style, tmp_path, DatasetSettings())
    table = read_shard(tmp_path).to_pylist()
    assert [row["stage"] for row in table[:4]] == ["W", "N2", "N2", "UNSCORED"]
    assert {tuple(row["scorers"]) for row in table} == {("anna", "berta", "clara")}
    assert [row["scorer_stages"] for row in table[:3]] == [["W"] * 3, ["N1", "N2", "N2"], ["N2", "N2", "UNSCORED"]]
    assert table[1]["soft_label"] == pytest.approx([0, 1 / 3, 2 / 3, 0, 0])
    assert table[2]["soft_label"] == [0, 0, 1, 0, 0]
    assert table[3]["soft_label"] is None
