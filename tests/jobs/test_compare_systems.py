"""The comparison job on a small case: what `make evaluate` does, and what it writes into the README."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from somnolens.errors import RunFolderError
from somnolens.jobs.compare_systems import (
    OURS,
    OURS_OF_THE_NIGHT,
    compare,
    find_material,
    find_newest,
    main,
    make_material,
    read_comparison,
)
from tests.small_cohort import small_settings
from tests.tiny_models import write_tiny_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    settings = small_settings(
        write_tiny_model("qwen3_vl", folder / "base"),
        *("train.passes=1", "simulate.n_subjects=5", "simulate.hours=0.4"),
        *("dataset.validation_share=0.2", "dataset.test_share=0.4", "compare.boosting_rounds=3"),
        *("compare.peers=[majority, zero-shot, boosting, vision head]", "compare.corruptions=[gain]"),
        "compare.lost_shares=[0.7]",
    )
    console = Console(quiet=True)
    material = make_material(folder / "material", settings, console)
    (folder / "out").mkdir()
    compare(material, folder / "out", settings, console)
    return folder / "out"


@pytest.mark.slow
def test_every_system_has_a_row_with_its_interval_and_its_cost(comparison):
    rows = {row["system"]: row for row in read_comparison(comparison)["systems"]}
    peers = ["zero-shot", "boosting", "vision head"]
    assert set(rows) == {*(n + s for n in [OURS, *peers] for s in ("", " + night")), "majority"}
    assert all(row["n_epochs"] == 96 and row["n_subjects"] == 2 for row in rows.values())
    assert all((row["ahead"] is None) == (name == OURS_OF_THE_NIGHT) for name, row in rows.items())
    assert rows["boosting"]["training_s"] > 0
    assert rows[OURS]["training_s"] > 0
    assert rows["zero-shot"]["training_s"] is None
    assert all(row["scoring_s"] > 0 for row in rows.values())


@pytest.mark.slow
def test_corruptions_are_measured_for_those_that_look(comparison):
    rows = read_comparison(comparison)["robustness"]
    assert {row["corruption"] for row in rows} == {"clean", "channel lost", "gain"}
    assert len({row["system"] for row in rows}) == 3
    assert all(row["points_lost"]["value"] == 0 for row in rows if row["corruption"] == "clean")


@pytest.mark.slow
def test_tables_figures_and_metrics_are_written(comparison):
    names = {path.name for path in comparison.iterdir()}
    assert names == {
        *("comparison.json", "comparison.md", "metrics.jsonl", "systems.csv", "systems.png"),
        *("robustness.csv", "robustness.png"),
    }
    metrics = {row["name"]: row for row in map(json.loads, (comparison / "metrics.jsonl").read_text().splitlines())}
    rows = {row["system"]: row for row in read_comparison(comparison)["systems"]}
    assert metrics["evaluate.kappa"]["value"] == pytest.approx(rows[OURS_OF_THE_NIGHT]["kappa"]["value"], abs=1e-4)
    assert metrics["evaluate.kappa"]["bar"] == ">=0.80"
    assert {"evaluate.kappa_boosting_night", "robust.channel_loss_points", "evaluate.minutes"} <= set(metrics)


@pytest.mark.slow
def test_the_readme_is_written_by_the_command_from_the_kept_comparison(comparison, tmp_path):
    readme = tmp_path / "README.md"
    begin, end = "<!-- evaluate:begin -->", "<!-- evaluate:end -->"
    readme.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    main(run=comparison, out=None, write_readme=readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{begin}\n")
    assert text.endswith(f"\n{end}\nafter\n")
    assert "old" not in text
    kappa = read_comparison(comparison)["systems"][0]["kappa"]["value"]
    assert f"| somnolens | {kappa:.2f}" in text
    assert "held-out subjects" in text
    drawn = tmp_path / "platform" / "figures" / "robustness.png"
    assert drawn.read_bytes() == (comparison / "robustness.png").read_bytes()


def test_a_run_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"has no .*adapter"):
        find_material(tmp_path, tmp_path / "out", small_settings("embedded"), Console(quiet=True))


def test_no_comparison_yet_says_how_to_make_one(tmp_path):
    with pytest.raises(RunFolderError, match="make evaluate"):
        find_newest(tmp_path)
    with pytest.raises(RunFolderError, match="is not a comparison"):
        read_comparison(tmp_path)
