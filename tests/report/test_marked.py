"""Parts of a README that commands write."""

import pytest

from somnolens.errors import SettingsError
from somnolens.report.marked import write_between_markers
from tests.repository.tree import ROOT


@pytest.mark.parametrize("name", ["bench", "evaluate", "faults"])
def test_our_readme_has_a_place_for_each(name, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text())
    write_between_markers(readme, name, "here")
    assert f"<!-- {name}:begin -->\nhere\n<!-- {name}:end -->" in readme.read_text()


def test_a_place_that_stands_twice_is_refused(tmp_path):
    readme = tmp_path / "README.md"
    text = "<!-- a:begin -->\n<!-- a:end -->\n" * 2
    readme.write_text(text)
    with pytest.raises(SettingsError, match="once each"):
        write_between_markers(readme, "a", "here")
    assert readme.read_text() == text
