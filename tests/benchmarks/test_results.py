"""Benchmark rows: bars are read as written, rows are kept by name, the README's table is made from them."""

import doctest

import pytest

from somnolens.errors import SettingsError
from tests.benchmarks import readme as measured_parts
from tests.benchmarks.readme import SENTENCES, write_measured_parts
from tests.benchmarks.results import (
    complete_row,
    format_results,
    meets_bar,
    merge_results,
    read_results,
    write_readme_table,
    write_results,
)


def make_row(name: str, value: float, bar: str | None = None, **more) -> dict:
    row = {"name": name, "value": value, "unit": "s", "higher_is_better": False, "bar": bar}
    return complete_row(row | more, "2 cores, no GPU")


@pytest.mark.parametrize(
    ("value", "bar", "verdict"),
    [
        (100, ">= 100", True),
        (99.9, ">=100", False),
        (45, "<= 45", True),
        (46, "<= 45", False),
        (0.65, "0.65..0.82", True),
        (0.83, "0.65 .. 0.82", False),
        (0.5, "> 0.5", False),
        (-1.5, "< -1", True),
        (7, None, None),
    ],
)
def test_bars_are_read_as_a_person_means_them(value, bar, verdict):
    assert meets_bar(value, bar) is verdict


def test_a_bar_that_cannot_be_read_is_refused():
    with pytest.raises(SettingsError, match="'about 100' cannot be read"):
        make_row("render.epochs_per_s", 100, bar="about 100")


def test_a_row_without_a_unit_is_refused():
    with pytest.raises(SettingsError, match="lacks unit"):
        complete_row({"name": "a", "value": 1, "higher_is_better": True, "bar": None}, "")


def test_measuring_one_area_keeps_the_others(tmp_path):
    path = tmp_path / ".bench" / "results.jsonl"
    write_results(path, [make_row("render.ratio", 90), make_row("score.night_s", 40)])
    write_results(path, merge_results(read_results(path), [make_row("render.ratio", 120), make_row("read.rate", 3)]))
    assert [(row["name"], row["value"]) for row in read_results(path)] == [
        ("read.rate", 3),
        ("render.ratio", 120),
        ("score.night_s", 40),
    ]
    assert read_results(path)[0]["hardware"] == "2 cores, no GPU"


def test_nothing_measured_yet_is_an_empty_list(tmp_path):
    assert read_results(tmp_path / "results.jsonl") == []


def test_terminal_table_has_a_verdict_for_each_bar():
    table = format_results([make_row("a.b", 40, "<= 45"), make_row("c.d", 50, "<= 45"), make_row("e.f", 1)])
    assert [str(cell) for cell in table.columns[4].cells] == ["[green]met[/]", "[bold red]missed[/]", ""]


def test_readme_table_replaces_only_what_lies_between_the_markers(tmp_path):
    readme = tmp_path / "README.md"
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    readme.write_text(f"# Title\n\n{begin}\nold\n{end}\n\nrest\n")
    rows = [make_row("render.ratio", 412.3, ">= 100", ratio_to="matplotlib"), make_row("score.night_s", 50, "<= 45")]
    write_readme_table(readme, rows)
    write_readme_table(readme, rows)
    assert readme.read_text() == (
        f"# Title\n\n{begin}\n"
        "| measure | value | unit | bar |\n|---|---:|---|---|\n"
        "| `render.ratio` | 412 | s to matplotlib | >= 100 ✓ |\n"
        "| `score.night_s` | 50 | s | <= 45 ✗ |\n"
        "\nMeasured with `make bench`, `make evaluate`, `make stress` and `make cluster-test` on 2 cores, no GPU.\n"
        f"{end}\n\nrest\n"
    )


def test_a_readme_without_markers_is_left_alone(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n")
    with pytest.raises(SettingsError, match="bench:begin"):
        write_readme_table(readme, [make_row("a.b", 1)])
    assert readme.read_text() == "# Title\n"


def test_what_was_not_measured_here_stays_as_it_was(tmp_path):
    readme, bench = tmp_path / "README.md", tmp_path / ".bench"
    parts = "".join(
        f"<!-- {name}:begin -->\nold {name}\n<!-- {name}:end -->\n" for name in ("bench", "support", "stress")
    )
    readme.write_text(parts)
    values = {"explain.support_gap": 39, "explain.support_right": 82, "explain.support_wrong": 43}
    write_results(bench / "results.jsonl", [make_row(name, value) for name, value in values.items()])
    write_measured_parts(readme, bench)
    written = readme.read_text()
    assert "old bench" not in written
    assert "supports 82 % of the embedded adapter's right\nanswers and 43 % of its wrong ones." in written
    assert "old stress" in written


def test_the_sentences_of_the_readme_are_written_from_measured_rows():
    result = doctest.testmod(measured_parts)
    assert (result.failed, result.attempted >= len(SENTENCES)) == (0, True)
