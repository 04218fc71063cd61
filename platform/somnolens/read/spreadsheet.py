"""Spreadsheets (.xlsx) as rows of text."""

import zipfile
import zlib
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import ParseError

import openpyxl

from somnolens.errors import UnreadableHypnogramError

_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, openpyxl.utils.exceptions.InvalidFileException, ParseError),
    *(LookupError, ValueError, TypeError, AttributeError, RuntimeError),
)
"""What openpyxl was seen to raise on workbooks whose parts are damaged or missing."""


def read_sheet(path: Path) -> list[list[str]]:
    """Read the first sheet of a workbook as text, rows without any text left out.

    Raises
    ------
    UnreadableHypnogramError
        When the file is no workbook, or its first sheet is empty.
    """
    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
        cells = [list(row) for row in workbook.worksheets[0].iter_rows(values_only=True)]
        workbook.close()
    except _DAMAGE:
        raise UnreadableHypnogramError(
            f"{path.name} is not a workbook that can be read. Copy it again, or export it as CSV."
        ) from None
    rows = [["" if cell is None else str(cell).strip() for cell in row] for row in cells]
    if not any(any(row) for row in rows):
        raise UnreadableHypnogramError(f"The first sheet of {path.name} is empty. Name the scorer's file.")
    return [row for row in rows if any(row)]
