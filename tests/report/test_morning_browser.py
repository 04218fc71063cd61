"""The page in a real browser: a phone, a desk, the dark, paper."""

import re

import pytest

from somnolens.report.morning_page import SECTIONS, render_page

pytestmark = pytest.mark.slow

PHONE, DESK = 390, 1280

CONTRASTS = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const shine = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent) continue;
    const style = getComputedStyle(element);
    const ink = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [shine(ink), shine(ground(element))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.trim().slice(0, 40)]);
  }
  return found.sort((one, other) => one[0] - other[0]).slice(0, 3);
})()
"""


@pytest.fixture(scope="module")
def path(corrected_report, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(corrected_report))
    return path


@pytest.mark.parametrize(("width", "dark"), [(PHONE, False), (PHONE, True), (DESK, False), (DESK, True), (320, False)])
def test_nothing_is_wider_than_the_screen(page, path, width, dark):
    page.open(path, width, dark=dark, mobile=width < DESK)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_browser_asks_for_the_page_and_nothing_else_and_has_no_complaint(page, path):
    page.open(path, DESK)
    assert page.requests == [path.resolve().as_uri()]
    assert page.complaints == []


def test_every_section_is_shown(page, path):
    page.open(path, PHONE, mobile=True)
    heights = page.evaluate("[...document.querySelectorAll('section')].map((one) => [one.id, one.offsetHeight])")
    assert [name for name, _ in heights] == list(SECTIONS)
    assert all(height > 30 for _, height in heights)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_each_chart_is_shown_once_with_letters_that_can_be_read(page, path, width):
    page.open(path, width, mobile=width == PHONE)
    drawn = "[...document.querySelectorAll('figure')].map((one) => [...one.querySelectorAll('svg')]"
    assert set(page.evaluate(f"{drawn}.filter((svg) => svg.getBoundingClientRect().width > 0).length)")) == {1}
    sizes = "[...document.querySelectorAll('figure text')].map((one) => one.getBoundingClientRect().height)"
    assert min(height for height in page.evaluate(sizes) if height > 0) > 10


def test_letters_of_a_chart_do_not_lie_on_each_other(page, path):
    page.open(path, PHONE, mobile=True)
    script = """[...document.querySelectorAll('figure svg.narrow')].map((svg) => [...svg.querySelectorAll('text')]
        .map((one) => one.getBoundingClientRect()).map((box) => [box.left, box.top, box.right, box.bottom]))"""
    for boxes in page.evaluate(script):
        for place, one in enumerate(boxes):
            for other in boxes[place + 1 :]:
                aside = one[2] <= other[0] + 1 or other[2] <= one[0] + 1
                assert aside or one[3] <= other[1] + 4 or other[3] <= one[1] + 4, (one, other)


@pytest.mark.parametrize("dark", [False, True])
def test_letters_stand_out_from_the_ground(page, path, dark):
    page.open(path, DESK, dark=dark)
    worst = page.evaluate(CONTRASTS)
    assert worst[0][0] >= 4.5, worst


def test_pictures_are_there(page, path):
    page.open(path, PHONE, mobile=True)
    sizes = page.evaluate("[...document.images].map((one) => [one.naturalWidth, one.naturalHeight, one.complete])")
    assert sizes == [[448, 224, True]] * 2


def test_the_dark_page_is_dark_and_paper_is_white(page, path):
    page.open(path, DESK, dark=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 27)"
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.ask("Emulation.setEmulatedMedia", media="")


def test_paper_is_a4_and_no_page_of_it_is_empty(page, path):
    page.open(path, DESK)
    pdf = page.print_pdf()
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 2 <= len(boxes) <= 6
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}
    assert len(re.findall(rb"/Type /Page\b", pdf)) == len(boxes)
