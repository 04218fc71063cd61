"""Files of this machine and of an object store, by the same functions."""

import os
from pathlib import Path

import pytest

from somnolens.errors import StorageError
from somnolens.storage import bring_here, is_here, list_names, measure_sizes, parse_path, write_bytes, write_json
from tests.object_store import enter_store, serve_bucket


@pytest.fixture(scope="module")
def bucket():
    with serve_bucket("nights") as bucket:
        yield bucket


@pytest.fixture(params=["here", "s3"])
def folder(request, bucket, tmp_path) -> Path:
    return tmp_path if request.param == "here" else bucket / request.node.name


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
