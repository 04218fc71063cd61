"""The page in a real browser, over the real service: what a technologist does with it."""

import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import pytest

from somnolens.hypnogram import Hypnogram
from somnolens.read.scoring import read_hypnogram
from somnolens.report.morning import look_at
from somnolens.score.night import ScoredNight, describe_reader
from somnolens.score.reader import load_reader
from somnolens.serve.access.gate import Gate
from somnolens.serve.access.keys import KeySource, add_key
from somnolens.serve.access.limits import Counters
from somnolens.serve.messages.answers import describe_night
from somnolens.serve.nights.kept import write_kept
from somnolens.serve.nights.store import ANSWER, Step
from somnolens.simulate.chain import draw_stages
from tests.report.browser import Page, find_browser, open_browser
from tests.report.test_morning_browser import CONTRASTS

pytestmark = pytest.mark.slow

DESK, PHONE = (1440, 900), (390, 844)
visits = count()
PAINTED = """
(() => {
  const { width, height } = document.getElementById("heat");
  const { data } = document.getElementById("heat").getContext("2d").getImageData(0, 0, width, height);
  const rows = Array.from({ length: height }, (_, row) => row)
    .filter((row) => data.subarray(4 * row * width, 4 * (row + 1) * width).some((value) => value));
  return [rows[0] / height, rows.at(-1) / height];
})()
"""
"""Where the heat begins and ends, from the top of the picture to its bottom."""
NO_HEAT = "if (location.protocol === 'http:') sessionStorage.setItem('somnolens-heat', '')"
"""Heat costs 180 passes an epoch: it is looked at in one test alone."""


@dataclass(frozen=True)
class House:
    """Where the service is, a night that it keeps, and a way to ask beside the page."""

    url: str
    night: dict
    http: httpx.Client

    @property
    def path(self) -> str:
        return f"{self.url}/v1/nights/{self.night['id']}"

    def ask(self, what: str) -> dict | list:
        return self.http.get(f"{self.path}/{what}").json()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as http:
        yield http


@pytest.fixture(scope="module")
def house(url, night_path, http):
    answer = http.post(f"{url}/v1/nights?keep=true", content=night_path.read_bytes())
    assert answer.status_code == 200, answer.text
    return House(url, answer.json(), http)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    if find_browser() is None:
        pytest.skip("no Chromium or Chrome is on the PATH")
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.ask("Page.addScriptToEvaluateOnNewDocument", source=NO_HEAT)
        yield opened


@pytest.fixture
def at_work(page: Page, house: House) -> Iterator[Page]:
    """The page with the night that is kept, nothing corrected, at its first epoch."""
    house.http.put(f"{house.path}/corrections", json={"scorer": "", "stages": {}})
    yield enter(page, house, f"#night={house.night['id']}&epoch=1")
    wait_until_saved(page)  # or the browser would ask before it leaves the page


def enter(page: Page, house: House, place: str = "", size: tuple[int, int] = DESK, **more: bool) -> Page:
    page.open(f"{house.url}/?visit={next(visits)}{place}", *size, **more)
    page.wait_for("document.body.dataset.isReady")
    return page


def read(page: Page, id: str) -> str:
    return page.evaluate(f"document.getElementById('{id}').textContent")


def look_up_cursor(page: Page) -> int:
    return int(page.evaluate("document.getElementById('chart').ariaValueNow")) - 1


def wait_until_saved(page: Page) -> None:
    page.wait_for("!document.getElementById('saved').textContent.includes('not saved')")


def wait_for_file(folder: Path, pattern: str, page: Page) -> Path:
    page.wait_for("!document.querySelector('dialog[open]')")
    for _ in range(500):
        if found := [path for path in folder.glob(pattern) if path.stat().st_size]:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {list(folder.iterdir())}")


def test_a_recording_is_sent_watched_and_shown(page, house, night_path):
    enter(page, house)
    page.give_file("#file", night_path)
    page.wait_for("document.body.dataset.view === 'work' && document.querySelector('#numbers .tile')")
    assert read(page, "title") == night_path.name
    assert "20 epochs of 30 s" in read(page, "span")
    counts = {stage: house.night["stages"].count(stage) for stage in ("W", "N1", "N2", "N3", "R")}
    told = ", ".join(f"{n} of {stage}" for stage, n in counts.items() if n)
    assert f"Hypnogram of 20 epochs: {told}." in read(page, "chart-words")
    page.wait_for("document.getElementById('picture').naturalWidth === 448")
    hosts = {url.split("/")[2] for url in page.requests if not url.startswith("blob:")}
    assert hosts == {house.url.removeprefix("http://")}
    assert page.complaints == []


def test_what_is_shown_is_what_the_service_says(at_work, house):
    shown = at_work.wait_for(
        "[...document.querySelectorAll('#list .item')].map((one) => "
        "[Number(one.dataset.epoch), one.querySelector('.reason').textContent])"
    )
    assert shown == [[one["index"], " ".join(one["reasons"])] for one in house.ask("review")["epochs"]]
    tiles = at_work.evaluate("[...document.querySelectorAll('.tile b')].map((one) => one.textContent)")
    for tile, one in zip(tiles, house.ask("statistics"), strict=True):
        assert tile == ("-" if one["value"] is None else f"{one['value']:.1f} {one['unit']}")
    row = house.night["probabilities"][0]
    shares = at_work.evaluate("[...document.querySelectorAll('.share')].map((one) => parseInt(one.textContent))")
    assert shares == [int(100 * share + 0.5) for share in row]


def test_the_reasons_of_an_epoch_come_by_themselves_and_its_heat_when_wanted(page, url, http, lean_path):
    night = http.post(f"{url}/v1/nights?keep=true", content=lean_path.read_bytes()).json()
    house = House(url, night, http)
    enter(page, house, f"#night={night['id']}&epoch=3")
    page.wait_for("document.querySelector('#why .evidence, #why .small')")
    explained = house.ask("epochs/2/explanation?heat=false")
    assert explained["cells"] is None
    sentences = [*explained["evidence_for"], *explained["evidence_against"]]
    shown = page.evaluate("[...document.querySelectorAll('.evidence li')].map((one) => one.textContent)")
    assert [text.lower() for text in shown] == [re.sub(r"^(For|Against) \w+: ", "", text).lower() for text in sentences]
    assert page.evaluate("document.getElementById('heat').hidden")
    page.press("m")
    page.wait_for("!document.getElementById('heat').hidden")
    assert read(page, "legend").startswith(f"+ for {night['stages'][2]}")
    first, last = page.evaluate(PAINTED)
    assert 48 / 224 - 0.01 <= first < last <= 96 / 224 + 0.01, "the band of C4-M1, the second of six, and no other"
    page.press("m")
    assert page.evaluate("document.getElementById('heat').hidden")


def test_the_review_list_is_walked_with_the_keyboard(at_work, house):
    order = [one["index"] for one in house.ask("review")["epochs"]]
    assert len(order) > 2
    at_work.evaluate("document.getElementById('list').querySelector('button').click()")
    at_work.press("j")
    assert look_up_cursor(at_work) == order[1]
    at_work.press("ArrowDown", "k", "k")
    assert look_up_cursor(at_work) == order[0]
    current = "document.querySelector('[aria-current=true]').dataset.epoch"
    assert at_work.evaluate(current) == str(order[0])
    at_work.press("Home", "n")
    assert look_up_cursor(at_work) == min(one for one in order if one > 0)
    at_work.press("End")
    assert look_up_cursor(at_work) == 19
    at_work.press("ArrowLeft")
    assert look_up_cursor(at_work) == 18


def test_one_key_corrects_an_epoch_and_it_can_be_undone_and_done_again(at_work, house):
    was = house.night["stages"][0]
    key, stage = ("r", "R") if was != "R" else ("2", "N2")
    at_work.press(key)
    pressed = "document.querySelector('.stage[aria-pressed=true]').dataset.stage"
    assert at_work.evaluate(pressed) == stage
    wait_until_saved(at_work)
    assert house.ask("corrections")["stages"] == {"0": stage}
    at_work.press("ArrowRight", "u")
    assert (look_up_cursor(at_work), at_work.evaluate(pressed)) == (0, was)
    wait_until_saved(at_work)
    assert house.ask("corrections")["stages"] == {}
    at_work.press("y")
    wait_until_saved(at_work)
    assert house.ask("corrections")["stages"] == {"0": stage}
    at_work.press("x")
    assert at_work.evaluate(pressed) == was


def test_each_stage_has_its_keys(at_work):
    for key, stage in zip("w123r05", ("W", "N1", "N2", "N3", "R", "W", "R"), strict=True):
        at_work.press(key)
        assert at_work.evaluate("document.querySelector('.stage[aria-pressed=true]').dataset.stage") == stage


def test_statistics_follow_corrections(at_work, house):
    before = at_work.wait_for("document.querySelectorAll('.tile b')[1]?.textContent")
    for _ in range(20):
        at_work.press("w", "ArrowRight")
    assert before != "0.0 min"
    at_work.wait_for("document.querySelectorAll('.tile b')[1].textContent === '0.0 min'")


def test_corrections_are_there_when_the_tab_is_loaded_again(at_work, house):
    at_work.press("3", "ArrowRight", "r")
    wait_until_saved(at_work)
    enter(at_work, house, f"#night={house.night['id']}&epoch=2")
    assert look_up_cursor(at_work) == 1
    assert at_work.evaluate("document.querySelector('.stage[aria-pressed=true]').dataset.stage") == "R"
    assert house.ask("corrections")["stages"] == {"0": "N3", "1": "R"}


def test_the_corrected_night_is_exported_for_other_programs(at_work, house, tmp_path):
    at_work.keep_downloads(tmp_path)
    at_work.press("3", "s")
    expected = ("N3", *house.night["stages"][1:])
    assert read_hypnogram(wait_for_file(tmp_path, "*.edf", at_work)).stages == expected
    files = {}
    for name, ending in (("csv", "csv"), ("json", "json"), ("bids", "zip"), ("pdf", "pdf"), ("html", "html")):
        at_work.press("e")
        at_work.evaluate(f"document.querySelector('[data-format={name}]').click()")
        files[name] = wait_for_file(tmp_path, f"*.{ending}", at_work)
    assert read_hypnogram(files["csv"]).stages == read_hypnogram(files["json"]).stages == expected
    assert files["pdf"].read_bytes().startswith(b"%PDF")
    assert b"Corrected against" in files["html"].read_bytes()
    with zipfile.ZipFile(files["bids"]) as archive:
        assert any(name.endswith(".tsv") for name in archive.namelist())
    assert at_work.complaints == []


def test_a_file_that_is_no_recording_is_refused_in_the_words_of_the_library(page, house, tmp_path):
    path = tmp_path / "notes.edf"
    path.write_bytes(b"not a recording")
    enter(page, house)
    page.give_file("#file", path)
    page.wait_for("!document.getElementById('alert').hidden")
    refused = house.http.post(f"{house.url}/v1/nights", content=b"not a recording").json()
    assert read(page, "alert-title") == refused["title"]
    assert read(page, "alert-text") == refused["detail"]
    assert page.evaluate("document.body.dataset.view") == "start"


def test_a_service_that_is_gone_is_told_and_asked_again(at_work, house):
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    at_work.ask("Network.emulateNetworkConditions", offline=True, **offline)
    try:
        at_work.press("1", "w")
        at_work.wait_for("!document.getElementById('alert').hidden")
        assert "The service does not answer" in read(at_work, "alert-title")
        assert "not saved yet" in read(at_work, "saved")
    finally:
        at_work.ask("Network.emulateNetworkConditions", offline=False, **offline)
    at_work.evaluate("document.getElementById('alert-again').click()")
    wait_until_saved(at_work)
    assert house.ask("corrections")["stages"] == {"0": "W"}


def test_a_night_that_is_not_there_any_more_leads_back_to_the_start(page, house):
    enter(page, house, f"#night={'0' * 32}")
    assert "There is no night" in read(page, "alert-text")
    assert page.evaluate("[document.body.dataset.view, document.getElementById('choose').hidden]") == ["start", False]


def test_everything_can_be_reached_without_a_mouse_and_focus_is_seen(page, house):
    enter(page, house)
    reached = []
    for _ in range(9):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.value"))
        seen = page.evaluate(
            "getComputedStyle(document.activeElement.closest('.drop') ?? document.activeElement).outlineStyle"
        )
        assert seen == "solid", reached
    assert {"brand", "theme", "help-button", "file", "1", "3", "8", "seed"} < set(reached)
    page.press("?")
    assert page.evaluate("document.getElementById('help').open") is False, "a field takes what is typed"
    page.press("Shift+Tab", "?")
    assert page.evaluate("document.getElementById('help').open") is True
    page.press("Escape")
    assert page.evaluate("document.getElementById('help').open") is False


def test_every_control_has_a_name_and_every_part_a_label(at_work):
    nameless = at_work.evaluate(
        "[...document.querySelectorAll('button, a, input, select, [role=slider], section')].filter((one) => "
        "one.checkVisibility() && !(one.ariaLabel || one.textContent.trim() || one.labels?.length || "
        "document.getElementById(one.getAttribute('aria-labelledby'))?.textContent)).map((one) => one.outerHTML)"
    )
    assert nameless == []
    chart = "document.getElementById('chart')"
    assert at_work.evaluate(f"{chart}.ariaValueMax") == "20"
    at_work.press("ArrowRight")
    assert at_work.evaluate(f"{chart}.ariaValueText").startswith(read(at_work, "clock"))


@pytest.mark.parametrize("dark", [False, True])
def test_letters_stand_out_from_the_ground(page, house, dark):
    for place in ("", f"#night={house.night['id']}"):
        enter(page, house, place, dark=dark)
        worst = page.evaluate(CONTRASTS)
        assert worst[0][0] >= 4.5, worst


def test_dark_and_light_can_be_switched_and_stay(page, house):
    enter(page, house, dark=False)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.press("d")
    dark = page.evaluate(ground)
    assert dark != light
    enter(page, house, dark=False)
    assert page.evaluate(ground) == dark
    page.press("d")
    assert page.evaluate(ground) == light
    page.evaluate("localStorage.clear()")


def test_a_desk_shows_all_on_one_screen_and_nothing_is_wider_than_a_phone(page, house):
    place = f"#night={house.night['id']}"
    enter(page, house, place)
    root = "document.documentElement"
    assert page.evaluate(f"[{root}.scrollHeight, {root}.scrollWidth]") == list(reversed(DESK))
    for width, where in ((320, ""), (320, place), (834, place), (1180, place), (PHONE[0], place)):
        enter(page, house, where, (width, PHONE[1]), mobile=width < 760)
        assert page.evaluate(f"{root}.scrollWidth") <= width, (width, where)
    sizes = page.evaluate("[...document.querySelectorAll('.thumb button')].map((one) => one.offsetHeight)")
    assert len(sizes) == 8
    assert min(sizes) >= 44


@pytest.fixture(scope="module")
def long_night(house, store, service_settings, night_path) -> str:
    """The id of a night of 1,000 epochs, staged by a model that is often in doubt; its signals were not kept."""
    reader, rng = load_reader(service_settings.adapter), np.random.default_rng(0)
    seen = look_at(night_path, reader.style)
    codes = draw_stages(1000, rng)
    probabilities = 0.45 * np.eye(5)[codes] + 0.55 * rng.dirichlet(np.ones(5), 1000)
    stages = Hypnogram.from_codes(codes).stages
    derivations = dict(zip(seen.epochs.derivations, seen.epochs.sources, strict=True))
    quality = np.zeros((1000, len(derivations)), dtype=np.uint8)
    night = ScoredNight(
        Hypnogram(stages, "somnolens", 0.0, probabilities),
        seen.recording.start,
        derivations,
        quality,
        describe_reader(reader),
    )
    id = store.begin(store.find(house.night["id"]).client, keep=True, adapter=service_settings.adapter).id
    write_kept(store, id, seen, night, keep_signals=False)
    store.write(id, ANSWER, describe_night(night, id).model_dump_json().encode())
    store.finish(id, Step("done", 1.0))
    return id


MOVES = """
(() => {
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const time = (key) => {
    const began = performance.now();
    press(key);
    document.body.getBoundingClientRect();
    return performance.now() - began;
  };
  return Array.from({ length: 100 }, (_, turn) => time(turn % 4 ? "ArrowRight" : "j"));
})()
"""
"""What 100 moves of the cursor cost in milliseconds, layout included."""


def test_a_thousand_epochs_are_walked_without_lag(page, house, long_night):
    enter(page, house, f"#night={long_night}&epoch=1")
    assert page.evaluate("document.getElementById('chart').ariaValueMax") == "1000"
    assert page.wait_for("document.querySelectorAll('#list .item').length") > 100
    page.evaluate(MOVES)
    costs = page.evaluate(MOVES)
    assert np.median(costs) < 16, costs
    page.wait_for("document.getElementById('waiting').textContent.includes('signals of this night were not kept')")


def test_a_key_is_asked_for_where_one_is_wanted(page, make_api, serve_asgi, service_settings, night_path, tmp_path):
    settings = service_settings.model_copy(update={"insecure": False})
    key = add_key(tmp_path / "keys.json", "AB")
    gate = Gate(make_api(), settings, KeySource(str(tmp_path / "keys.json")), Counters(settings.requests_at_once))
    with serve_asgi(gate) as url:
        page.open(url, *DESK)
        page.wait_for("document.body.dataset.isReady")
        page.give_file("#file", night_path)
        page.wait_for("document.getElementById('key').open")
        assert "has no key" in read(page, "key-why")
        give_key(page, "som_wrong")
        page.wait_for("document.getElementById('key-why').textContent.includes('not known')")
        give_key(page, key)
        page.wait_for("document.body.dataset.view === 'work' && document.querySelector('#numbers .tile')")
        assert page.evaluate("[...Object.values(sessionStorage)]").count(key) == 1
        assert page.evaluate("localStorage.length") == 0
        assert key not in page.evaluate("location.href") + page.evaluate("document.body.innerHTML")


def give_key(page: Page, key: str) -> None:
    page.ask("Input.insertText", text=key)
    page.press("Enter")
