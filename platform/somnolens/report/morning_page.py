"""The morning report as one page that needs nothing else: no script, no font, no other host."""

from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from somnolens.report.differences import list_stage_agreement, tell_time
from somnolens.report.drawing import Drawing, encode_data, render_svg
from somnolens.report.morning import (
    MorningReport,
    list_headlines,
    tabulate_quality,
    tell_agreement,
    tell_reviews,
    tell_statistics,
    tell_warning,
)
from somnolens.report.night_charts import draw_place
from somnolens.report.palette import PAGE_DARK, PAGE_LIGHT, STAGE_COLOURS, STAGE_COLOURS_DARK

WIDE_PX: Final = 760
NARROW_PX: Final = 358
"""A phone of 390 px with its margins."""

SIGNS: Final = {"below": "▼", "within": "●", "above": "▲"}

SECTIONS: Final = {
    "night": "The night",
    "statistics": "Sleep statistics",
    "agreement": "Corrected",
    "review": "Epochs to look at",
    "quality": "Signal quality",
    "missing": "What was missing",
    "notes": "Notes",
    "model": "Model",
}


def render_page(report: MorningReport) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data"] = encode_data
    sections = [one for one in SECTIONS.items() if one[0] != "agreement" or report.corrected]
    agreement = report.agreement
    return environment.from_string(_read("morning.html")).render(
        report=report,
        style=Markup(_read("morning.css")),
        colours=Markup(write_colours()),
        sections=sections,
        headlines=list_headlines(report),
        charts=list(_draw_both(report)),
        places=[_draw_small(draw_place(one)) for one in report.statistics],
        signs=SIGNS,
        stage_agreement=list_stage_agreement(agreement) if agreement else [],
        differences=[(tell_time(run.onset_s, report.start), run) for run in report.differences],
        warning=tell_warning(report),
        tell_statistics=tell_statistics,
        tell_agreement=tell_agreement,
        tell_reviews=tell_reviews,
        size=_measure_picture(report),
        quality=tabulate_quality(report),
    )


def _read(name: str) -> str:
    return (files("somnolens.report") / name).read_text(encoding="utf-8")


def _draw_both(report: MorningReport):
    """Each chart wide and narrow; the style sheet shows one of them."""
    for (caption, wide), (_, narrow) in zip(report.draw(WIDE_PX), report.draw(NARROW_PX), strict=True):
        yield caption, Markup(render_svg(wide, "wide")), Markup(render_svg(narrow, "narrow"))


def _draw_small(drawing: Drawing | None) -> Markup:
    return Markup(render_svg(drawing, is_decoration=True)) if drawing else Markup("")


def _measure_picture(report: MorningReport) -> tuple[int, int]:
    """Width and height that a PNG states in its first chunk; 1 x 1 where there is none."""
    png = next((sight.picture for sight in report.sights if sight.picture), b"")
    return (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) if png else (1, 1)


def write_colours() -> str:
    """Names of colours as custom properties for light and dark, and the classes of drawings that use them.

    Paper is always light.
    """
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in (page | stages).items())
        for page, stages in ((PAGE_LIGHT, STAGE_COLOURS), (PAGE_DARK, STAGE_COLOURS_DARK))
    )
    names = [name.lower() if name == "UNSCORED" else name for name in (*PAGE_LIGHT, *STAGE_COLOURS)]
    classes = "".join(f".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}" for name in names)
    light, dark = (text.replace("--UNSCORED", "--unscored") for text in (light, dark))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{classes}"
