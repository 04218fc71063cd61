"""A finished dataset goes where it is told, whole, and takes nothing along that stays at home."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import fsspec
import pytest
from huggingface_hub import HfApi, constants

from somnolens.dataset.manifest import Dataset, open_dataset
from somnolens.dataset.pushing import Target, check_target, list_pushed, parse_target, push_dataset
from somnolens.errors import PushError
from tests.dataset.hub import TOKEN, Hub, run_hub
from tests.small_cohort import build_without_ray, small_settings

HELD = {"README.md", "dataset.json", "nights.csv", "failures.csv", "statistics.csv", "quality.csv"}


@pytest.fixture(scope="module")
def built(small_nights, tmp_path_factory) -> Dataset:
    """With a log and a file that an interrupted run left."""
    folder = tmp_path_factory.mktemp("pushing") / "dataset"
    dataset = build_without_ray(small_nights, folder, small_settings("embedded"))
    (folder / "ray.log").write_text("chatter")
    (folder / "shards" / ".tmp-a1b2").write_text("half a shard")
    return dataset


@pytest.fixture
def hub() -> Iterator[Hub]:
    with run_hub() as hub:
        yield hub


@pytest.fixture
def api(hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKEN)


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expect(dataset: Dataset) -> dict[str, bytes]:
    """What should arrive, told without the code under test."""
    left = {"ray.log", "report.json", ".tmp-a1b2"}
    return {name: content for name, content in read_all(dataset.folder).items() if Path(name).name not in left}


def refuse(text: str, folder: Path, api: HfApi | None = None) -> str:
    with pytest.raises(PushError) as caught:
        check_target(text, folder, api)
    return str(caught.value)


def test_a_repository_of_the_hub_is_told_from_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_target("lab/shhs-448") == Target("lab/shhs-448", is_hub=True)
    assert parse_target("hf://datasets/lab/shhs") == Target("lab/shhs", is_hub=True)
    folders = ("./lab/shhs", "/data/shhs", "~/shhs", "shhs", "file:///data/shhs", "s3://bucket/shhs", "a/b/c")
    assert [parse_target(text).is_hub for text in folders] == [False] * 7


def test_a_name_that_could_be_both_is_refused(tmp_path, monkeypatch):
    """Nobody's recordings go to the hub because a word was left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backup").mkdir()
    with pytest.raises(PushError, match=r"Write hf://datasets/backup/shhs or \./backup/shhs"):
        parse_target("backup/shhs")


@pytest.mark.parametrize("text", ["hf://lab/shhs", "hf://datasets/shhs", "hf://datasets/lab/shhs/more"])
def test_a_hub_address_without_a_repository_is_refused(text):
    with pytest.raises(PushError, match=r"names no dataset repository. Write hf://datasets/OWNER/NAME"):
        parse_target(text)


def test_shards_are_listed_first_and_the_manifest_last(built):
    names = list_pushed(built)
    assert sorted(names) == sorted(expect(built))
    assert all(name.startswith("shards/") for name in names[:4])
    assert names[-1] == "dataset.json"
    assert set(names) >= HELD


def test_a_copy_in_a_folder_is_a_dataset(built, tmp_path):
    copied = []
    place = push_dataset(built, str(tmp_path / "copy"), report=copied.append)
    assert read_all(tmp_path / "copy") == expect(built)
    assert open_dataset(Path(place)).manifest == built.manifest
    assert sorted(copied) == sorted(expect(built))
    assert copied[-1] == "dataset.json"


def test_a_copy_goes_through_any_file_system(built):
    push_dataset(built, "memory://store/copy")
    files = fsspec.filesystem("memory")
    there = {path.removeprefix("/store/copy/"): files.cat_file(path) for path in files.find("/store/copy")}
    assert there == expect(built)


def test_a_copy_is_made_anew_over_an_older_one(built, tmp_path):
    target = (tmp_path / "copy").as_uri()
    push_dataset(built, target)
    (tmp_path / "copy" / "nights.csv").write_text("older")
    (tmp_path / "copy" / "shards" / ".tmp-x").write_text("left by a copy that was stopped")
    push_dataset(built, target)
    assert (tmp_path / "copy" / "nights.csv").read_bytes() == (built.folder / "nights.csv").read_bytes()


def test_a_copy_that_was_stopped_is_no_dataset(built, tmp_path):
    """The older copy's manifest is gone before the first shard is written over."""

    def stop(name: str) -> None:
        raise KeyboardInterrupt

    push_dataset(built, str(tmp_path / "copy"))
    with pytest.raises(KeyboardInterrupt):
        push_dataset(built, str(tmp_path / "copy"), report=stop)
    assert not (tmp_path / "copy" / "dataset.json").exists()


def test_a_folder_with_other_files_is_refused(built, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(PushError, match=r"holds files of something else \(thesis.tex\)"):
        push_dataset(built, str(tmp_path))
    assert read_all(tmp_path) == {"thesis.tex": b"mine"}


def test_a_folder_with_nights_of_another_dataset_is_refused(built, tmp_path):
    push_dataset(built, str(tmp_path / "copy"))
    shard = next((tmp_path / "copy" / "shards").glob("*/*/*.parquet"))
    shutil.copytree(shard.parent, shard.parent.with_name("night=OTHER"))
    with pytest.raises(PushError, match=r"holds files of something else .*night=OTHER"):
        push_dataset(built, str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "dataset.json").exists()


def test_a_readme_of_something_else_is_not_written_over(built, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(PushError, match=r"holds files of something else \(README.md\)"):
        push_dataset(built, str(tmp_path))


def test_the_dataset_folder_is_not_pushed_into_itself(built):
    for target in (built.folder, built.folder / "copy", built.folder / "shards" / ".."):
        assert "is the dataset folder itself, or in it" in refuse(str(target), built.folder)


def test_a_place_that_cannot_be_written_is_told(built, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for target in (tmp_path / "file", tmp_path / "file" / "copy"):
        with pytest.raises(PushError, match=r"cannot be written .* or name another place"):
            push_dataset(built, str(target))


def test_a_store_nobody_knows_is_refused(tmp_path):
    assert "nowhere://x cannot be opened" in refuse("nowhere://x", tmp_path)


def test_the_hub_gets_every_file_in_one_private_commit(built, hub, api):
    place = push_dataset(built, "lab/small", api)
    assert place == f"{hub.url}/datasets/lab/small"
    assert hub.repos["lab/small"] == expect(built) | {".gitattributes": b""}
    assert hub.visibility == {"lab/small": "private"}
    assert hub.commits == [f"32 epochs, fingerprint {built.manifest['fingerprint']}"]


def test_nights_of_an_earlier_push_leave_the_hub(built, hub, api):
    push_dataset(built, "lab/small", api)
    hub.repos["lab/small"] |= {"shards/train/night=GONE/part-0.parquet": b"old", "notes.md": b"by hand"}
    push_dataset(built, "hf://datasets/lab/small", api)
    assert hub.repos["lab/small"] == expect(built) | {".gitattributes": b"", "notes.md": b"by hand"}


def test_a_stranger_is_told_to_log_in(hub, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    said = refuse("lab/small", tmp_path, HfApi(endpoint=hub.url))
    assert said == (
        "Nobody is logged in to the hub, so lab/small cannot be pushed. Run `hf auth login`, or set HF_TOKEN."
    )


def test_a_token_that_is_no_longer_good_is_told(hub, tmp_path):
    said = refuse("lab/small", tmp_path, HfApi(endpoint=hub.url, token="hf_old"))
    assert said.startswith("The hub does not know the token that lab/small was to be pushed with.")
    assert "hf_old" not in said


def test_a_repository_of_somebody_else_is_refused(built, api):
    with pytest.raises(PushError, match=r"may not write to others/small. Use one with the permission"):
        push_dataset(built, "others/small", api)


def test_a_client_that_is_offline_is_told(tmp_path, api, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "offline (HF_HUB_OFFLINE is set)" in refuse("lab/small", tmp_path, api)


def test_a_hub_out_of_reach_is_told(tmp_path):
    nobody = HfApi(endpoint="http://127.0.0.1:9", token=TOKEN)
    assert "The hub was not reached while lab/small was pushed (ConnectError)" in refuse("lab/small", tmp_path, nobody)


def test_the_hub_takes_files_of_this_machine_only(built, api):
    far = replace(built, folder=PurePosixPath("bucket/dataset"))
    with pytest.raises(PushError, match="bucket/dataset is not on this machine"):
        push_dataset(far, "lab/small", api)
