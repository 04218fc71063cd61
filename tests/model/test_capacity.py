"""Machines, hours and money: by hand, against a simulation of the pipeline event by event, and as a command."""

import heapq
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import SettingsError
from somnolens.model.capacity import (
    COHORTS,
    WORKERS,
    Measured,
    Place,
    advise_workers,
    count_machines,
    estimate_rendering,
    estimate_work,
    measure_efficiency,
    read_measured,
)
from somnolens.report.capacity import estimate_all, format_hours, format_usd
from tests.repository.tree import ROOT

ONE_SECOND = Measured(1.0, 40.0, 40.0, 20.0, 20.0, 1.0, 2, "by hand")
FAST_STORE = Place(start_s=10, night_mb=10, stream_mb_s=10, store_mb_s=1000, usd_per_core_hour=0.036)


def simulate(n_nights: int, n_workers: int, measured: Measured, place: Place, spread: float = 0.2) -> float:
    """Seconds until the last night is drawn, event by event.

    The driver hands out one night at a time; a store that sends `store_mb_s` in all serves in the order of asking; each
    worker reads no faster than `stream_mb_s`, and draws for as long as its night is long. Nights differ in length.
    """
    lengths = np.random.default_rng(7).lognormal(0, spread, n_nights)
    lengths /= lengths.mean()
    free = [(0.0, worker) for worker in range(n_workers)]
    driver_free = store_free = end = 0.0
    for length in lengths:
        ready, worker = heapq.heappop(free)
        driver_free = max(driver_free, ready) + measured.dispatch_ms / 1000
        megabytes = length * place.night_mb
        store_free = max(store_free, driver_free) + megabytes / place.store_mb_s
        read = max(store_free, driver_free + megabytes / place.stream_mb_s)
        done = read + length * measured.night_s
        end = max(end, done)
        heapq.heappush(free, (done, worker))
    return end


@pytest.mark.parametrize("n_workers", WORKERS)
@pytest.mark.parametrize("cohort", ["MASS", "SHHS"])
@pytest.mark.parametrize("store_mb_s", [2_500.0, 300.0])
def test_the_model_is_near_a_simulation_of_every_night(n_workers, cohort, store_mb_s):
    measured, place, n_nights = read_measured(), Place(store_mb_s=store_mb_s), COHORTS[cohort]
    simulated = simulate(n_nights, n_workers, measured, place)
    assert estimate_rendering(n_nights, n_workers, measured, place).seconds == pytest.approx(
        simulated, rel=0.12, abs=1.5
    )


@pytest.mark.parametrize(
    ("changes", "bottleneck"),
    [({}, "workers"), ({"store_mb_s": 20.0}, "object store"), ({"dispatch_ms": 1000.0}, "driver")],
)
def test_the_bottleneck_is_what_makes_it_faster_in_the_simulation(changes, bottleneck):
    of_place = {name: value for name, value in changes.items() if name == "store_mb_s"}
    place = replace(FAST_STORE, **of_place)
    measured = replace(ONE_SECOND, **{name: value for name, value in changes.items() if name not in of_place})
    assert estimate_rendering(500, 8, measured, place).bottleneck == bottleneck
    before = simulate(500, 8, measured, place)
    faster = {
        "workers": simulate(500, 16, measured, place),
        "object store": simulate(500, 8, measured, replace(place, store_mb_s=2 * place.store_mb_s)),
        "driver": simulate(500, 8, replace(measured, dispatch_ms=measured.dispatch_ms / 2), place),
    }
    assert min(faster, key=lambda name: faster[name]) == bottleneck
    assert faster[bottleneck] < 0.6 * before
    assert all(time > 0.9 * before for name, time in faster.items() if name != bottleneck)


def test_one_worker_by_hand():
    """A second of drawing and a second of reading each; 10 s before; 0.036 USD an hour are 0.00001 a second."""
    one = estimate_rendering(100, 1, ONE_SECOND, FAST_STORE)
    assert one.seconds == pytest.approx(200)
    assert one.hours == pytest.approx(210 / 3600)
    assert one.usd == pytest.approx(0.0021)


def test_four_workers_by_hand():
    """Fifty seconds each, and the last night half done on average when the others end: one second more."""
    one = estimate_rendering(100, 4, ONE_SECOND, FAST_STORE)
    assert one.seconds == pytest.approx(51)
    assert one.usd == pytest.approx(4 * 61 * 1e-5)


def test_training_by_hand():
    """Forty epochs a second of two cores are twenty of one; five cores take a thousand in ten seconds."""
    assert ONE_SECOND.per_core(40.0) == 20
    assert estimate_work(1000, 20, 5, FAST_STORE).hours == pytest.approx(20 / 3600)


def test_more_workers_than_nights_do_not_help():
    few, many = (estimate_rendering(4, n, ONE_SECOND, FAST_STORE) for n in (4, 400))
    assert few.seconds == many.seconds
    assert many.bottleneck == "nights"
    assert many.usd > few.usd


def test_time_falls_and_money_does_not_as_workers_are_added():
    made = [estimate_rendering(8_444, n, read_measured(), Place()) for n in WORKERS]
    assert [one.seconds for one in made] == sorted((one.seconds for one in made), reverse=True)
    assert [one.usd for one in made] == sorted(one.usd for one in made)
    assert measure_efficiency(8_444, 16, read_measured(), Place()) > 0.98


def test_the_advice_is_where_the_bottleneck_changes():
    most = advise_workers(8_444, read_measured(), Place())
    assert estimate_rendering(8_444, most, read_measured(), Place()).bottleneck == "workers"
    assert estimate_rendering(8_444, 2 * most, read_measured(), Place()).bottleneck == "object store"


def test_machines_are_whole():
    assert [count_machines(n, Place(cores_per_machine=8)) for n in (1, 8, 9, 64)] == [1, 1, 2, 8]


def test_figures_of_the_own_machine_take_the_place_of_ours(tmp_path):
    rows = [{"name": "dataset.night_s", "value": 2.0, "hardware": "16 cores x86_64, 64 GB, no GPU"}]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    measured = read_measured(tmp_path / "results.jsonl")
    assert (measured.night_s, measured.n_cores) == (2.0, 16)
    assert "16 cores" in measured.source


@pytest.mark.parametrize("text", ['{"name": "other", "value": 1, "hardware": "2 cores"}', "{", "[]"])
def test_a_file_without_figures_is_refused(text, tmp_path):
    (tmp_path / "results.jsonl").write_text(text)
    with pytest.raises(SettingsError, match="make bench"):
        read_measured(tmp_path / "results.jsonl")


def test_a_cluster_without_a_store_is_refused():
    with pytest.raises(SettingsError, match="store_mb_s = 0 cannot be planned with"):
        Place(store_mb_s=0)


def test_the_command_shows_the_formula_and_every_figure():
    answer = CliRunner().invoke(app, ["plan", "--capacity", "--workers", "64"], env={"COLUMNS": "140"})
    assert answer.exit_code == 0, answer.output
    for text in ("100,000", "8 machines", "1.04 s", "2.4 ms", "object store", "0.04 USD", "max(workers", "256"):
        assert text in answer.output, text


def test_the_table_of_the_readme_is_what_the_command_shows():
    measured, place = read_measured(), Place()
    rows = {
        work: [estimate_all(n, 64, 4, measured, place)[at][1] for n in COHORTS.values()] for work, at in PLACES.items()
    }
    trained = [
        f"{format_hours(look.hours + passes.hours)}, {format_usd(look.usd + passes.usd)} USD"
        for look, passes in zip(rows["look once"], rows["4 passes"], strict=True)
    ]
    text = (ROOT / "README.md").read_text()
    for name, cells in (
        ("draw", [show(one) for one in rows["draw"]]),
        ("train the embedded model, 4 passes and the look before", trained),
        ("score", [show(one) for one in rows["score"]]),
    ):
        assert f"| {name} | {' | '.join(cells)} |" in text


PLACES = {"draw": 0, "look once": 1, "4 passes": 3, "score": 4}


def show(one) -> str:
    return f"{format_hours(one.hours)}, {format_usd(one.usd)} USD"
