"""A model cut up among processes trains, scores and is kept as a whole one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from somnolens.config import Settings
from somnolens.model.adapters import attach_lora, prepare_looker
from somnolens.model.card import STATE_FILE
from somnolens.render.style import Style
from somnolens.train.loop import Crew, run_training
from somnolens.train.rows import Rows
from somnolens.train.sharding import is_sharded, list_layers, shard

WAYS = ("fsdp", "ddp")


def train_in_process(rank: int, n: int, folder: Path, settings: Settings, rows: Rows, way: str, resume: Path | None):
    """One of the processes that train together."""
    torch.set_num_threads(1)
    store = f"file://{folder / 'store'}"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=n)

    def wrap(looker):
        return shard(looker, torch.device("cpu"), n) if way == "fsdp" else DistributedDataParallel(looker)

    def report(figures, save):
        if rank == 0:
            with (folder / "reports.jsonl").open("a") as stream:
                stream.write(json.dumps(figures) + "\n")
            target = folder / f"step_{figures['step']}"
            target.mkdir()
            save(target)

    torch.manual_seed(0)
    looker = prepare_looker(settings, Style(settings.render, settings.prepare))
    attach_lora(looker, settings.train)
    run_training(looker, rows, rows, settings.train, report, wrap, Crew(rank, n), resume)
    if way == "fsdp" and rank == 0:
        held = sum(p.to_local().numel() for p in looker.parameters())
        whole = sum(p.numel() for p in looker.parameters())
        (folder / "share").write_text(str(held / whole))
    distributed.destroy_process_group()


def train_together(n: int, folder: Path, settings: Settings, rows: Rows, way: str, resume: Path | None = None) -> Path:
    folder.mkdir()
    arguments = (n, folder, settings, rows, way, resume)
    multiprocessing.start_processes(train_in_process, arguments, n, start_method="fork")  # libraries are there already
    return folder


def read_reports(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "reports.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def odd_settings(settings) -> Settings:
    """Batches that two processes take in three passes each, with LoRA everywhere, over rows that they cannot share."""
    train = settings.train.model_copy(update={"rows_at_once": 2, "lora_targets": "language+merger+vision"})
    return settings.model_copy(update={"train": train})


@pytest.fixture(scope="module")
def odd_rows(rows) -> Rows:
    return rows.pick(np.arange(23))


@pytest.fixture(scope="module")
def trained(odd_settings, odd_rows, tmp_path_factory) -> dict[str, Path]:
    """The same training, cut up and not."""
    folder = tmp_path_factory.mktemp("sharding")
    plain = replace(odd_rows, images=list(odd_rows.images))
    return {way: train_together(2, folder / way, odd_settings, plain, way) for way in WAYS}


@pytest.mark.slow
def test_the_loss_and_the_stages_are_those_of_data_parallel_training(trained):
    cut, whole = (read_reports(trained[way]) for way in WAYS)
    assert [figures["step"] for figures in cut] == [3, 6]
    for ours, theirs in zip(cut, whole, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["kappa"] == pytest.approx(theirs["kappa"], abs=0.1)


@pytest.mark.slow
def test_a_checkpoint_is_a_plain_peft_folder_with_the_same_weights(trained):
    cut, whole = (load_file(trained[way] / "step_6" / "adapter_model.safetensors") for way in WAYS)
    assert cut.keys() == whole.keys()
    assert any(weights.abs().max() > 0 for name, weights in cut.items() if "lora_B" in name)
    for name in whole:
        torch.testing.assert_close(cut[name], whole[name], rtol=0, atol=2e-4)
    assert (trained["fsdp"] / "step_6" / "adapter_config.json").is_file()


@pytest.mark.slow
def test_each_process_holds_half(trained):
    assert float((trained["fsdp"] / "share").read_text()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_a_cut_up_run_goes_on_from_the_checkpoint_of_a_whole_one(trained, odd_settings, odd_rows, tmp_path):
    plain = replace(odd_rows, images=list(odd_rows.images))
    resumed = train_together(2, tmp_path / "on", odd_settings, plain, "fsdp", trained["ddp"] / "step_3")
    assert [figures["step"] for figures in read_reports(resumed)] == [6]
    ours, theirs = (torch.load(folder / "step_6" / STATE_FILE) for folder in (resumed, trained["ddp"]))
    for number, values in theirs["optimiser"]["state"].items():
        for key, value in values.items():
            torch.testing.assert_close(ours["optimiser"]["state"][number][key], value, rtol=1e-2, atol=1e-5)


def test_layers_of_decoder_and_vision_tower_are_what_is_cut_up(make_looker):
    looker = make_looker()
    names = {type(layer).__name__ for layer in list_layers(looker)}
    assert names == {"Qwen3VLTextDecoderLayer", "Qwen3VLVisionBlock"}
    assert not is_sharded(looker)
