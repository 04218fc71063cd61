"""Age, sex and AHI from the table that somebody has put into the dataset folder."""

import pytest

from somnolens.errors import EvaluationError
from somnolens.evaluate.traits import read_traits


def write(folder, text: str):
    (folder / "subjects.csv").write_text(text)
    return folder


def test_what_is_empty_is_not_known(tmp_path):
    traits = read_traits(write(tmp_path, "subject,age,sex,ahi\nS1,54,f,\nS2,,M,12.5\n"))
    assert traits == {"S1": {"age": 54.0, "sex": "F"}, "S2": {"sex": "M", "ahi": 12.5}}


def test_no_table_is_no_traits(tmp_path):
    assert read_traits(tmp_path) == {}


@pytest.mark.parametrize("head", ["subject,name", "age,sex", "subject,birth_date,age"])
def test_other_columns_are_refused_so_that_no_name_comes_along(tmp_path, head):
    with pytest.raises(EvaluationError, match="Looked for 'subject' and any of 'age', 'sex'"):
        read_traits(write(tmp_path, f"{head}\n"))


def test_an_age_that_is_no_number_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"gives subject S1 the age 'old'\. Looked for a number"):
        read_traits(write(tmp_path, "subject,age\nS1,old\n"))
