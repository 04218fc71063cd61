"""Which epochs a person is shown of a dataset, and that nothing but the dataset decides it."""

import io

import numpy as np
import pytest
from PIL import Image

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.dataset.contact_sheets import share_tiles, write_contact_sheets
from somnolens.dataset.statistics import NightCounts, count_nights
from somnolens.render.style import Style
from tests.dataset.shards import SIZE_PX, write_shard

STYLE = Style(RenderSettings(), PrepareSettings())
GOOD = ("good",) * 6
FIRST_TILE = (28 + 1, 28 + 84 + 1)
"""Left and top: a margin, the head of the sheet, a frame of one pixel."""


@pytest.fixture
def nights(tmp_path) -> list[NightCounts]:
    stages = ["W", "W", "N2", "N2", "W", "N2", "N2", "R"]
    shards = [
        write_shard(tmp_path, ("one", subject, f"{subject}{number}", "train"), stages, GOOD)
        for subject in "BA"
        for number in (2, 1)
    ]
    return count_nights(shards)


def read_sheets(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "contact-sheets").glob("*")}


def test_every_stage_that_occurs_has_a_sheet(nights, tmp_path):
    written = write_contact_sheets(tmp_path, nights, STYLE)
    assert written == {("one", stage): f"contact-sheets/one-{stage}.png" for stage in ("W", "N2", "R")}
    assert sorted(read_sheets(tmp_path)) == ["one-N2.png", "one-R.png", "one-W.png"]


def test_sheets_do_not_depend_on_the_order_in_which_nights_ended(nights, tmp_path):
    write_contact_sheets(tmp_path / "one", nights, STYLE)
    write_contact_sheets(tmp_path / "two", nights[::-1], STYLE)
    assert read_sheets(tmp_path / "one") == read_sheets(tmp_path / "two")


def test_the_epochs_shown_are_of_the_stage_and_in_order(nights, tmp_path):
    """Four nights with four epochs of N2 each: three tiles a night, at places 0, 2, 3 of epochs 2, 3, 5, 6."""
    write_contact_sheets(tmp_path, nights, STYLE)
    with Image.open(io.BytesIO(read_sheets(tmp_path)["one-N2.png"])) as sheet:
        seen = np.asarray(sheet.convert("RGB"))
    left, top = FIRST_TILE
    height, width = SIZE_PX
    for place, epoch in enumerate((2, 5, 6)):
        corner = seen[top, left + place * (width + 2 + 16)]
        np.testing.assert_array_equal(corner, STYLE.palette[epoch])
    below = seen[top + height + 2 + 24 + 16, left]
    np.testing.assert_array_equal(below, STYLE.palette[2])


def test_a_sheet_of_an_earlier_build_goes_when_its_stage_does(nights, tmp_path):
    stale = tmp_path / "contact-sheets" / "one-N3.png"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    write_contact_sheets(tmp_path, nights, STYLE)
    assert not stale.exists()


def test_a_cohort_whose_name_is_no_file_name_has_sheets_too(tmp_path):
    shard = write_shard(tmp_path, ("our/lab 2", "A", "A1", "train"), ["W"], GOOD)
    write_contact_sheets(tmp_path, count_nights([shard]), STYLE)
    assert list(read_sheets(tmp_path)) == ["our-lab-2-W.png"]


def test_many_subjects_are_shown_once_each_evenly_spaced():
    nights = [(f"S{n:02d}", f"S{n:02d}", 50) for n in range(36)]
    assert share_tiles(nights) == {f"S{n:02d}": [25] for n in range(1, 36, 3)}


def test_few_epochs_are_all_shown_once():
    assert share_tiles([("A", "A1", 2), ("B", "B1", 1)]) == {"A1": [0, 1], "B1": [0]}


def test_a_subject_with_many_nights_does_not_crowd_out_the_others():
    nights = [("A", f"A{n}", 100) for n in range(9)] + [("B", "B0", 100)]
    shown = share_tiles(nights)
    assert sum(len(places) for places in shown.values()) == 12
    assert len(shown["B0"]) == 6
