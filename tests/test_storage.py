"""Files of this machine and of an object store, by the same functions."""

import os
import tempfile
from pathlib import Path

import pytest

from somnolens.errors import StorageError
from somnolens.storage import (
    bring_here,
    fetch_folder,
    is_here,
    keep_copy,
    list_names,
    locate_copy,
    measure_sizes,
    parse_path,
    put_folder,
    read_span,
    settle,
    write_bytes,
    write_json,
)
from tests.object_store import enter_store, serve_bucket


@pytest.fixture(scope="module")
def bucket():
    with serve_bucket("nights") as bucket:
        yield bucket


@pytest.fixture(params=["here", pytest.param("s3", marks=pytest.mark.slow)])
def folder(request, tmp_path) -> Path:
    return tmp_path if request.param == "here" else request.getfixturevalue("bucket") / request.node.name


def test_what_is_written_is_listed_and_read(folder):
    write_bytes(folder / "b" / "two.bin", b"22")
    write_json(folder / "one.json", {"a": 1})
    assert list_names(folder) == ["b/two.bin", "one.json"]
    assert (folder / "b" / "two.bin").read_bytes() == b"22"
    assert measure_sizes([folder / "b" / "two.bin", folder / "none"]) == [2, 0]


def test_a_listing_sees_what_came_after_it(folder):
    write_bytes(folder / "one", b"1")
    assert list_names(folder) == ["one"]
    write_bytes(folder / "two", b"2")
    assert list_names(folder) == ["one", "two"]


def test_a_folder_that_is_not_there_holds_nothing(folder):
    assert list_names(folder / "none") == []


def test_files_are_brought_here_under_their_names_and_taken_away(folder):
    paths = [folder / "a" / "night.edf", folder / "b" / "night.edf"]
    for number, path in enumerate(paths):
        write_bytes(path, bytes([number]))
    with bring_here(paths) as here:
        assert [here[path].read_bytes() for path in paths] == [b"\0", b"\1"]
        assert all(is_here(copy) and copy.name == "night.edf" for copy in here.values())
    assert [copy.exists() for copy in here.values()] == [is_here(folder)] * 2


@pytest.mark.slow
def test_a_file_that_is_not_in_the_store_is_one_sentence(bucket):
    with (
        pytest.raises(StorageError, match=r"s3://nights/none\.edf could not be read \(FileNotFoundError"),
        bring_here([bucket / "none.edf"]),
    ):
        pass


def test_a_store_that_cannot_be_entered_is_one_sentence(monkeypatch):
    """Whatever the client of the store raises."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    told = pytest.raises(
        StorageError, match=r"could not be listed \(NoCredentials\w+: .* credentials in the environment"
    )
    with enter_store("http://127.0.0.1:9"), told:
        list_names(parse_path("s3://nobody-enters"))


def test_a_url_of_no_known_kind_is_told():
    with pytest.raises(StorageError, match="pigeon://loft/nights cannot be opened"):
        parse_path("pigeon://loft/nights")


def test_a_plain_path_stays_one():
    assert parse_path("nights/one") == Path("nights/one")
    assert parse_path(parse_path("memory://a")) == parse_path("memory://a")


def test_a_span_of_a_file_is_read(folder):
    write_bytes(folder / "digits", b"0123456789")
    assert read_span(folder / "digits", 3, 6) == b"345"


@pytest.mark.slow
def test_a_folder_goes_to_a_store_and_comes_back(folder, bucket, tmp_path):
    here = tmp_path / "mine"
    write_bytes(here / "sub" / "two", b"22")
    write_bytes(here / "one", b"1")
    put_folder(here, bucket / "kept")
    back = fetch_folder(bucket / "kept", tmp_path / "back")
    assert {name: (back / name).read_bytes() for name in list_names(back)} == {"one": b"1", "sub/two": b"22"}


@pytest.mark.slow
def test_a_copy_of_a_store_is_fetched_once_for_all(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write_bytes(bucket / "large.npy", b"first")
    copy = keep_copy(bucket / "large.npy")
    assert copy == locate_copy(bucket / "large.npy")
    assert copy.is_relative_to(tmp_path)
    (bucket / "large.npy").unlink()
    assert keep_copy(bucket / "large.npy").read_bytes() == b"first"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [copy]


@pytest.mark.slow
def test_a_settled_path_does_not_depend_on_the_folder_it_is_read_in(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settle(Path("run")) == tmp_path / "run"
    assert settle(bucket / "run") == bucket / "run"
