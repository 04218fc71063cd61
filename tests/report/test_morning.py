"""The morning report: what it tells of a night, as a page and as files."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from somnolens.errors import MismatchedHypnogramError
from somnolens.hypnogram import Hypnogram
from somnolens.read.scoring import read_hypnogram
from somnolens.report.morning import list_headlines, make_report, tabulate_quality
from somnolens.report.morning_files import write_morning_report
from somnolens.report.morning_page import SECTIONS, render_page


class Outline(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def outline(report) -> Outline:
    return Outline(render_page(report))


def test_every_section_is_there_and_reached_from_the_top(outline):
    sections = [one["id"] for one in outline.find("section")]
    assert sections == [name for name in SECTIONS if name != "agreement"]
    assert [one["href"] for one in outline.find("a")][1:] == [f"#{name}" for name in sections]


def test_a_page_asks_for_nothing_and_runs_nothing(report):
    html = render_page(report)
    outline = Outline(html)
    addresses = [v for _, attrs in outline.tags for k, v in attrs.items() if k in ("src", "href", "srcset", "action")]
    assert {address[:5] for address in addresses} <= {"data:", "#nigh", "#stat", "#revi", "#qual", "#miss"} | {
        f"#{name}"[:5] for name in SECTIONS
    }
    assert not outline.find("script")
    assert not outline.find("link")
    assert "url(" not in html
    assert "@import" not in html


def test_pictures_and_charts_are_told_in_words(outline):
    assert all(one["alt"] for one in outline.find("img"))
    charts = [one for one in outline.find("svg") if one.get("role") == "img"]
    assert len(charts) == 2 * 3
    assert all(one["aria-label"] for one in charts)
    assert all(one.get("aria-hidden") for one in outline.find("svg") if one not in charts)


def test_headings_follow_each_other_without_a_gap(outline):
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_table_has_headings_with_a_scope(outline):
    assert outline.find("table")
    assert all(one.get("scope") in ("col", "row") for one in outline.find("th"))


def test_the_name_of_a_file_cannot_become_markup(report):
    html = render_page(report)
    assert "<h1>night &lt;7&gt;</h1>" in html
    assert "<7>" not in html


def test_a_demonstration_is_called_one(outline):
    assert "it has never seen a person's sleep" in outline.text


def test_what_is_missing_is_told_with_what_suffers(report, outline):
    (text,) = report.missing
    assert text.startswith("chin EMG: ")
    assert "R is told from W and N1 by the lowest muscle tone" in outline.text


def test_signals_are_told_by_derivation_and_hour(report):
    names, ((time, cells),) = tabulate_quality(report)
    cell = dict(zip(names, cells, strict=True))
    assert time == f"{report.start:%H:%M}"
    assert cell["chin EMG"] == ("-", "missing")
    assert cell["C4-M1"] == ("!", "flat 25 %")
    assert cell["F4-M1"][0] in "✓~"


def test_doubtful_epochs_have_a_picture_their_chances_and_a_reason(report):
    sights = {sight.review.epoch: sight for sight in report.sights}
    assert {1, 2} <= set(sights)
    assert "In doubt: W 50 %, N1 40 %" in sights[1].reason
    assert sights[1].chances == "W 50 %, N1 40 %, N2 5 %"
    assert sum(bool(sight.picture) for sight in report.sights) == 2


def test_the_epochs_to_look_at_begin_with_the_most_urgent(report):
    priorities = [sight.review.priority for sight in report.sights]
    assert priorities == sorted(priorities, reverse=True)
    assert all(sight.picture for sight in report.sights[:2])


def test_the_model_is_told_with_its_render_hash_and_without_folders(report, reader, outline):
    facts = dict(report.model)
    assert facts["Adapter"] == "wide-2026"
    assert facts["Render hash"] == reader.card.render_hash
    assert reader.card.render_hash in outline.text
    assert "No diagnosis" not in facts["Not for"]


def test_headlines_tell_totals_and_how_much_there_is_to_do(report):
    told = {name: value for name, value, _ in list_headlines(report)}
    assert told["Total sleep time"] == "8.5 min"
    assert told["Sleep efficiency"] == f"{100 * 17 / 24:.1f} %"
    assert told["Epochs to look at"] == str(len(report.sights))


def test_no_date_is_shown(report, outline):
    assert str(report.start.year) not in outline.text.replace("2015", "").replace("2017", "").replace("2026", "")


def test_a_corrected_hypnogram_counts_and_the_model_stands_beside_it(corrected_report):
    assert corrected_report.scorers == ("corrected", "somnolens")
    assert corrected_report.hypnogram.stages[-2:] == ("UNSCORED", "UNSCORED")
    assert [one.values for one in corrected_report.statistics if one.name == "Total sleep time"] == [(8.0, 8.5)]
    assert corrected_report.agreement.n_epochs == 22
    assert corrected_report.agreement.accuracy == pytest.approx(19 / 22)
    assert [run.epochs for run in corrected_report.differences] == ["6 to 7", "18", "22 to 23"]


def test_the_page_of_a_corrected_night_tells_agreement_stage_by_stage(corrected_report):
    outline = Outline(render_page(corrected_report))
    assert "agreement" in [one["id"] for one in outline.find("section")]
    assert "86.4 % of 22 epochs the same. 2 without a stage in the corrected one are left out." in outline.text
    assert "Staged by somnolens, corrected by a person." in outline.text
    assert "Usual, up to 30 years" in outline.text


def test_a_hypnogram_of_another_night_is_refused(seen, scored, reader):
    with pytest.raises(MismatchedHypnogramError, match="share no epoch"):
        make_report(seen, scored, reader, corrected=Hypnogram(("W",) * 4, start_s=9000.0))


def test_a_night_without_probabilities_has_no_density_and_no_doubt(seen, scored, reader):
    plain = replace(scored, hypnogram=replace(scored.hypnogram, probabilities=None))
    report = make_report(seen, plain, reader, n_pictures=0)
    assert [caption.split(":")[0] for caption, _ in report.draw(760)][1] == "Spectrogram, multitaper."
    assert not [sight for sight in report.sights if "doubt" in sight.reason]


def test_all_files_are_written_and_the_hypnograms_read_back(corrected_report, tmp_path):
    page = write_morning_report(corrected_report, tmp_path / "out")
    names = sorted(path.name for path in page.parent.iterdir())
    bids = [f"sub-night7_task-sleep_{kind}.{ending}" for kind in ("events", "hypnogram") for ending in ("json", "tsv")]
    other = ["hypnogram.csv", "hypnogram.edf", "hypnogram.json", "report.html", "report.pdf", "review.csv"]
    assert names == sorted([*bids, *other, "scored.csv", "scored.json"])
    for name in ("hypnogram.csv", "hypnogram.edf", "hypnogram.json", *(name for name in bids if name.endswith(".tsv"))):
        again = read_hypnogram(page.parent / name, corrected_report.start)
        assert again.stages == corrected_report.hypnogram.stages, name
    model = read_hypnogram(page.parent / "scored.json")
    assert model.stages == corrected_report.scored.hypnogram.stages
    np.testing.assert_allclose(model.probabilities, corrected_report.scored.hypnogram.probabilities, atol=1e-5)


def test_the_same_night_gives_the_same_page(report, seen, scored, reader):
    again = make_report(seen, scored, reader, "lab/registry#wide-2026", n_pictures=2)
    assert render_page(again) == render_page(report)
