"""Age, sex and AHI of subjects, where a dataset folder has them in a `subjects.csv`.

No cohort's files are read for them: who evaluates writes the table, with the columns `subject` and any of
`age`, `sex` and `ahi`. Names, birth dates and codes of people have no place in it, and other columns are refused.
"""

import csv
import io
from pathlib import Path

from somnolens.errors import EvaluationError

SUBJECTS_FILE = "subjects.csv"
NUMBERS = ("age", "ahi")
COLUMNS = ("subject", "age", "sex", "ahi")


def read_traits(folder: Path) -> dict[str, dict[str, float | str]]:
    """Traits by subject; an empty field is one that is not known, no file is no traits.

    Parameters
    ----------
    folder : Path
        Dataset folder.

    Returns
    -------
    dict of str to dict
        `age` in years and `ahi` an hour as numbers, `sex` as written, in capitals.

    Raises
    ------
    EvaluationError
        Where a column is unknown, `subject` is missing, or an age or AHI is not a number.
    """
    path = folder / SUBJECTS_FILE
    if not path.is_file():
        return {}
    table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    columns = table.fieldnames or []
    foreign = [name for name in columns if name not in COLUMNS]
    if foreign or "subject" not in columns:
        raise EvaluationError(
            f"{path} has the columns {', '.join(columns) or 'none'}. Looked for 'subject' and any of 'age', 'sex' "
            "and 'ahi', and no others, so that nothing which names a person comes along. Change the table's head."
        )
    return {row["subject"]: _read_row(row, path) for row in table}


def _read_row(row: dict[str, str], path: Path) -> dict[str, float | str]:
    traits: dict[str, float | str] = {}
    for name in COLUMNS[1:]:
        text = (row.get(name) or "").strip()
        if text:
            traits[name] = _read_number(text, name, row["subject"], path) if name in NUMBERS else text.upper()
    return traits


def _read_number(text: str, name: str, subject: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise EvaluationError(
            f"{path} gives subject {subject} the {name} {text!r}. Looked for a number. Correct it, or leave it empty."
        ) from None
