"""The morning report as a PDF on A4, by fpdf2: letters and lines stay letters and lines.

The font is DejaVu Sans, which comes with matplotlib: nothing has to be installed.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from somnolens.aasm import UNSCORED
from somnolens.report.differences import list_stage_agreement, tell_time
from somnolens.report.drawing import Area, Box, Drawing, Letters, Raster, Shape, Stroke
from somnolens.report.morning import (
    MorningReport,
    Sight,
    list_headlines,
    tabulate_quality,
    tell_agreement,
    tell_reviews,
    tell_statistics,
    tell_warning,
)
from somnolens.report.night_charts import draw_place
from somnolens.report.palette import PAGE_LIGHT, STAGE_COLOURS
from somnolens.report.statistics import Statistic

CHART_PX: Final = 760
MARGIN_MM: Final = 14.0
PICTURE_MM: Final = 84.0
MOST_ROWS: Final = 24
"""Of the table of epochs without a picture, and of stretches that differ; the files beside it have all."""

FONT: Final = "DejaVu"
COLOURS: Final = PAGE_LIGHT | STAGE_COLOURS | {"unscored": STAGE_COLOURS[UNSCORED]}
PT_PER_MM: Final = 72 / 25.4


class Paper(FPDF):
    """A4 with the project's font, a page number and the name of the night at the foot."""

    def __init__(self, title: str) -> None:
        super().__init__(format="A4")
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        self.add_font(FONT, "", folder / "DejaVuSans.ttf")
        self.add_font(FONT, "B", folder / "DejaVuSans-Bold.ttf")
        self.set_lang("en")
        self.set_title(title)
        self.set_creator("somnolens")
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.c_margin = 0
        self.set_auto_page_break(True, 16)
        self.foot = title
        self.add_page()

    def footer(self) -> None:
        """Write the foot of a page; fpdf2 calls it."""
        self.set_y(-11)
        self.use(7.5, "quiet")
        self.cell(0, 4, self.foot)
        self.set_x(MARGIN_MM)
        self.cell(0, 4, f"{self.page_no()} / {{nb}}", align="R")

    def use(self, size_pt: float, colour: str = "ink", bold: bool = False) -> None:
        """Choose how the next letters look."""
        self.set_font(FONT, "B" if bold else "", size_pt)
        self.set_text_color(*rgb(colour))

    def say(self, text: str, size_pt: float = 9, colour: str = "ink", bold: bool = False, gap_mm: float = 1.5) -> None:
        """Write a paragraph."""
        self.use(size_pt, colour, bold)
        self.multi_cell(0, size_pt * 0.48, text, new_x="LMARGIN", new_y="NEXT", align="L")
        self.ln(gap_mm)

    def head(self, text: str, room_mm: float = 30) -> None:
        """Begin a section, on a new page where little room is left; it stands in the outline too."""
        self.ln(3)
        if self.will_page_break(room_mm):
            self.add_page()
        self.start_section(text)
        self.say(text, 13, bold=True)

    def tabulate(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float], right: Sequence[int] = ()
    ) -> None:
        """Write a table whose headings come again on each page."""
        self.use(8)
        self.set_draw_color(*rgb("band"))
        self.set_fill_color(*rgb("paper"))  # a table fills its cells with whatever was chosen last
        style = FontFace(emphasis="BOLD", color=rgb("quiet"))
        aligns = tuple("RIGHT" if place in right else "LEFT" for place in range(len(headings)))
        layout = TableBordersLayout.HORIZONTAL_LINES
        options = {"borders_layout": layout, "headings_style": style, "line_height": 4.2, "padding": (0.6, 1.6, 0.6, 0)}
        with self.table(col_widths=tuple(widths), text_align=aligns, **options) as table:
            for cells in (headings, *rows):
                row = table.row()
                for cell in cells:
                    row.cell(cell)
        self.ln(2)


def rgb(name: str) -> tuple[int, int, int]:
    """A named colour as three numbers."""
    text = COLOURS[name].lstrip("#")
    return tuple(int(text[at : at + 2], 16) for at in (0, 2, 4))  # type: ignore[return-value]


def render_pdf(report: MorningReport) -> bytes:
    """The report as the bytes of a PDF."""
    paper = Paper(f"Morning report: {report.name}")
    _write_top(paper, report)
    for caption, drawing in report.draw(CHART_PX):
        _place_chart(paper, caption, drawing)
    _write_statistics(paper, report)
    if report.corrected:
        _write_agreement(paper, report)
    _write_reviews(paper, report)
    _write_quality(paper, report)
    for heading, texts, nothing in (
        ("What was missing", report.missing, "Nothing: every recommended derivation was recorded."),
        ("Notes", report.notes, "None."),
    ):
        paper.head(heading, 20)
        for text in texts or [nothing]:
            paper.say(f"• {text}" if texts else text, gap_mm=0.5)
    paper.head("Model")
    paper.tabulate(("", ""), report.model, (44, 138))
    return bytes(paper.output())


def _write_top(paper: Paper, report: MorningReport) -> None:
    paper.say("Morning report", 9, "quiet", gap_mm=0)
    paper.start_section("The night")
    paper.say(report.name, 17, bold=True, gap_mm=0)
    paper.say(f"{report.tell_span()}. {report.tell_scorers()}", 9, "quiet", gap_mm=2)
    paper.use(9, bold=True)
    paper.set_draw_color(*rgb("ink"))
    warning = " ".join(tell_warning(report))
    paper.multi_cell(0, 4.6, warning, border=1, padding=1.6, new_x="LMARGIN", new_y="NEXT", align="L")
    paper.ln(3)
    _write_headlines(paper, list_headlines(report))


def _write_headlines(paper: Paper, headlines: list[tuple[str, str, str]]) -> None:
    width, top = paper.epw / len(headlines), paper.get_y()
    for place, (name, value, remark) in enumerate(headlines):
        paper.set_xy(MARGIN_MM + place * width, top)
        for text, size_pt, colour, bold in ((name, 7.5, "quiet", False), (value, 12, "ink", True)):
            paper.use(size_pt, colour, bold)
            paper.cell(width, size_pt * 0.5, text, new_x="LEFT", new_y="NEXT")
        paper.use(7, "quiet")
        paper.multi_cell(width - 3, 3.2, remark, align="L")
    paper.set_xy(MARGIN_MM, top + 18)


def _place_chart(paper: Paper, caption: str, drawing: Drawing) -> None:
    scale = paper.epw / drawing.width
    if paper.will_page_break(drawing.height * scale + 7):
        paper.add_page()
    paper.say(caption, 8, "quiet", gap_mm=0.5)
    top = paper.get_y()
    paint(paper, drawing, MARGIN_MM, top, scale)
    paper.set_xy(MARGIN_MM, top + drawing.height * scale + 2)


def paint(paper: Paper, drawing: Drawing, left_mm: float, top_mm: float, scale: float) -> None:
    """Draw a chart with its upper left corner there, so many millimetres to a pixel."""
    for shape in drawing.shapes:
        _paint_shape(paper, shape, left_mm, top_mm, scale, drawing)


def _paint_shape(paper: Paper, shape: Shape, left: float, top: float, scale: float, drawing: Drawing) -> None:
    if isinstance(shape, Stroke | Area):
        points = [(left + x * scale, top + y * scale) for x, y in shape.points]
        if isinstance(shape, Area):
            paper.set_fill_color(*rgb(shape.fill))
            paper.polygon(points, style="F")
            return
        paper.set_draw_color(*rgb(shape.colour))
        paper.set_line_width(shape.width * scale)
        paper.polyline(points)
        return
    x, y = left + shape.x * scale, top + shape.y * scale
    if isinstance(shape, Letters):
        _paint_letters(paper, shape, x, y, scale)
    elif isinstance(shape, Raster):
        words = f"{drawing.title}. {drawing.description}"
        paper.image(io.BytesIO(shape.png), x, y, shape.width * scale, shape.height * scale, alt_text=words)
    else:
        _paint_box(paper, shape, x, y, scale)


def _paint_box(paper: Paper, box: Box, x: float, y: float, scale: float) -> None:
    paper.set_fill_color(*rgb(box.fill))
    paper.set_line_width(0.6 * scale)
    if box.edge:
        paper.set_draw_color(*rgb(box.edge))
    paper.rect(x, y, box.width * scale, box.height * scale, style="DF" if box.edge else "F")


def _paint_letters(paper: Paper, letters: Letters, x: float, y: float, scale: float) -> None:
    paper.use(letters.size * scale * PT_PER_MM, letters.colour, letters.bold)
    width = paper.get_string_width(letters.text)
    paper.text(x - width * {"start": 0, "middle": 0.5, "end": 1}[letters.anchor], y, letters.text)


def _write_statistics(paper: Paper, report: MorningReport) -> None:
    paper.head("Sleep statistics", 90)
    headings = ("Statistic", *report.scorers, f"Usual, {report.group}", "Where it lies")
    rows = [
        (
            f"{one.name}, {one.definition}",
            *(_tell_value(one, number) for number in range(len(one.values))),
            one.usual.tell(one.unit) if one.usual else "-",
            one.place or "-",
        )
        for one in report.statistics
    ]
    values = [34] * len(report.scorers)
    paper.tabulate(headings, rows, (86 - 12 * len(values), *values, 44, 24), right=range(1, 1 + len(values)))
    _draw_places(paper, report)
    paper.say(tell_statistics(report), 7.5, "quiet")
    if report.sources:
        paper.say(f"Usual values: {'; '.join(report.sources)}.", 7.5, "quiet")


def _tell_value(statistic: Statistic, number: int) -> str:
    minutes = f"  ({statistic.minutes[number]:g} min)" if statistic.minutes else ""
    return f"{statistic.tell(number)}{minutes}"


def _draw_places(paper: Paper, report: MorningReport) -> None:
    """The scales of all compared statistics, side by side."""
    drawn = [(one.name, drawing) for one in report.statistics if (drawing := draw_place(one, 150)) is not None]
    for first in range(0, len(drawn), 5):
        top, width = paper.get_y(), paper.epw / 5
        if paper.will_page_break(12):
            paper.add_page()
            top = paper.get_y()
        for place, (name, drawing) in enumerate(drawn[first : first + 5]):
            left = MARGIN_MM + place * width
            paper.use(7, "quiet")
            paper.text(left, top + 2.5, name)
            paint(paper, drawing, left, top + 4, (width - 5) / drawing.width)
        paper.set_xy(MARGIN_MM, top + 10.5)


def _write_agreement(paper: Paper, report: MorningReport) -> None:
    model, agreement = report.scorers[1], report.agreement
    assert agreement is not None
    paper.head(f"Corrected against {model}", 50)
    paper.say(tell_agreement(report))
    headings = ("Stage", "corrected", model, "by both", "of corrected", "F1")
    paper.tabulate(headings, list_stage_agreement(agreement), (20, 28, 28, 28, 28, 20), right=range(1, 6))
    runs = report.differences
    rows = [(tell_time(run.onset_s, report.start), run.epochs, run.one, run.other) for run in runs[:MOST_ROWS]]
    if rows:
        paper.tabulate(("From", "Epochs", "corrected", model), rows, (30, 40, 30, 30))
    if len(runs) > MOST_ROWS:
        paper.say(f"{len(runs) - MOST_ROWS} more: somnolens compare hypnogram.csv scored.csv.", 8, "quiet")


def _write_reviews(paper: Paper, report: MorningReport) -> None:
    paper.head("Epochs to look at", 70)
    paper.say(tell_reviews(report))
    for sight in (one for one in report.sights if one.picture):
        _write_sight(paper, sight, report)
    others = [one for one in report.sights if not one.picture]
    rows = [(one.time, f"{one.review.epoch}", one.stage, one.reason) for one in others[:MOST_ROWS]]
    if rows:
        paper.tabulate(("Time", "Epoch", "Stage", "Why"), rows, (20, 16, 16, 130))
    if len(others) > MOST_ROWS:
        paper.say(f"{len(others) - MOST_ROWS} more in review.csv.", 8, "quiet")


def _write_sight(paper: Paper, sight: Sight, report: MorningReport) -> None:
    """Picture at the left, words at the right."""
    height_mm = PICTURE_MM * int.from_bytes(sight.picture[20:24]) / int.from_bytes(sight.picture[16:20])
    if paper.will_page_break(max(height_mm, 44) + 4):
        paper.add_page()
    top, left = paper.get_y(), MARGIN_MM + PICTURE_MM + 4
    what = f"Thirty seconds from {sight.time} as the model saw them. Top to bottom: {', '.join(report.derivations)}."
    paper.image(io.BytesIO(sight.picture), MARGIN_MM, top, PICTURE_MM, height_mm, alt_text=what)
    corrected = f" Corrected: {sight.corrected}." if sight.corrected else ""
    said = [
        (f"{sight.stage}  {sight.time}", 10, "ink", True),
        (f"epoch {sight.review.epoch}, priority {sight.review.priority:.2f}", 7.5, "quiet", False),
        (f"{sight.reason}{corrected}", 8, "ink", False),
        (f"Model: {sight.chances}", 7.5, "quiet", False),
        *((f"• {text}", 7, "ink", False) for text in sight.evidence),
    ]
    paper.set_xy(left, top)
    for text, size_pt, colour, bold in said:
        paper.use(size_pt, colour, bold)
        paper.set_x(left)
        paper.multi_cell(paper.epw - PICTURE_MM - 4, size_pt * 0.46, text, new_x="LEFT", new_y="NEXT", align="L")
    paper.set_xy(MARGIN_MM, max(top + height_mm, paper.get_y()) + 4)


def _write_quality(paper: Paper, report: MorningReport) -> None:
    paper.head("Signal quality", 40)
    names, hours = tabulate_quality(report)
    rows = [(time, *(words for _, words in cells)) for time, cells in hours]
    width = (paper.epw - 22) / len(names)
    paper.tabulate(("Hour from", *names), rows, (22, *[width] * len(names)))
    for text in report.mind:
        paper.say(f"• {text}", gap_mm=0.5)
