"""Scorings that are nothing but numbers, and ISRUC's readings of them."""

import openpyxl
import pytest

from somnolens.errors import UnreadableHypnogramError
from somnolens.read.code_lists import read_code_json, read_code_lines
from somnolens.read.cohorts.isruc import STAGES, read_lines, read_spreadsheet
from somnolens.recording import Recording


@pytest.fixture
def write(tmp_path):
    def write_text(text: str, name: str = "1_1.txt"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write_text


def lasting(n_epochs: int) -> Recording:
    return Recording("1", (), 30.0 * n_epochs)


def message_of(read, *arguments) -> str:
    with pytest.raises(UnreadableHypnogramError) as caught:
        read(*arguments)
    return str(caught.value)


def test_a_line_is_an_epoch(write):
    assert read_code_lines(write("0\r\n1\r\n2\r\n3\r\n5\r\n\r\n"), STAGES) == ("W", "N1", "N2", "N3", "R")


def test_stage_4_is_not_a_code_of_isruc(write):
    assert message_of(read_code_lines, write("0\n4\n7\n"), STAGES) == (
        "1_1.txt has the stage code(s) 4, 7. Known are 0 (W), 1 (N1), 2 (N2), 3 (N3), 5 (R). "
        "Check which cohort the file belongs to."
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "holds no stage"),
        ("\n\n", "holds no stage"),
        ("W\n0\n", "has 1 line(s) that are no code of a stage, the first 'W'"),
        ("0 1\n", "no code of a stage, the first '0 1'"),
        ("--1\n", "no code of a stage, the first '--1'"),
        ("9" * 5000, "no code of a stage, the first '999"),
        ("1.0\n", "no code of a stage, the first '1.0'"),
    ],
)
def test_lines_that_are_no_codes_are_named(write, text, part):
    assert part in message_of(read_code_lines, write(text), STAGES)


@pytest.mark.parametrize(
    ("text", "part"),
    [("[0, 1", "damaged JSON"), ("{}", "no list of stages"), ("[]", "holds no stage"), ("[0, 9]", "stage code(s) 9")],
)
def test_json_that_is_no_list_of_codes_is_refused(write, text, part):
    assert part in message_of(read_code_json, write(text, "x.json"), STAGES)


def test_a_blank_line_is_an_epoch_where_only_then_the_count_fits(write):
    path = write("0\n\n2\n")
    assert read_lines(path, lasting(3)).stages == ("W", "UNSCORED", "N2")
    assert read_lines(path, lasting(3)).notes[0] == (
        "1 blank line(s) were taken for epochs: there are 3 stages for 3 epochs of signal."
    )
    assert read_lines(path, lasting(2)).stages == ("W", "N2")
    assert "passed over: there are 2 stages for 2 epochs" in read_lines(path, lasting(2)).notes[0]


@pytest.mark.parametrize(
    ("n_epochs", "part"), [(2, "1 epoch(s) more than"), (3, "as long as"), (5, "2 epoch(s) fewer")]
)
def test_the_length_of_the_text_is_compared_with_the_signal(write, n_epochs, part):
    assert part in read_lines(write("0\n1\n2\n"), lasting(n_epochs)).notes[0]


def write_sheet(path, rows):
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    workbook.save(path)
    return path


def test_a_spreadsheet_with_and_without_a_heading(tmp_path):
    headed = write_sheet(tmp_path / "a.xlsx", [["Epoch", "Events", "Stage"], [1, "", "W"], [2, "MChg", "N1"]])
    bare = write_sheet(tmp_path / "b.xlsx", [[1, "W"], [2, "N1"]])
    assert read_spreadsheet(headed, lasting(2)).stages == read_spreadsheet(bare, lasting(2)).stages == ("W", "N1")


def test_a_row_that_is_no_stage_keeps_its_place_and_is_told(tmp_path):
    path = write_sheet(tmp_path / "a.xlsx", [["Epoch", "Stage"], [1, "W"], [2, "Lights"], [3, "R"], ["mean", None]])
    hypnogram = read_spreadsheet(path, lasting(3))
    assert hypnogram.stages == ("W", "UNSCORED", "R")
    assert hypnogram.notes[0] == "1 row(s) hold no known stage and are UNSCORED."


def test_spreadsheets_that_are_none_are_refused(tmp_path, write):
    assert "is not a workbook" in message_of(read_spreadsheet, write("text", "a.xlsx"), lasting(1))
    assert "is empty" in message_of(read_spreadsheet, write_sheet(tmp_path / "b.xlsx", []), lasting(1))
    other = write_sheet(tmp_path / "c.xlsx", [["Name", "Age"], ["Kowalczyk", 51]])
    assert "holds no stage" in message_of(read_spreadsheet, other, lasting(1))
    assert "Kowalczyk" not in message_of(read_spreadsheet, other, lasting(1))
