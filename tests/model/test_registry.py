"""A registry of adapters, on a folder and in a bucket: what is added stays, and one decision is made at a time."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from somnolens.errors import RegistryError, SomnolensError
from somnolens.model.adapter_card import locate_adapter
from somnolens.model.additions import add_adapter
from somnolens.model.promotions import promote_adapter, promote_back
from somnolens.model.registry import Promotion, fetch_adapter, open_registry, pin_adapter, split_address
from somnolens.provenance import fingerprint
from somnolens.storage import create_bytes, is_here, list_names, write_bytes
from tests.model.adapter_folders import write_adapter_folder
from tests.object_store import serve_bucket

N_WRITERS = 4


@pytest.fixture(scope="module")
def bucket():
    with serve_bucket("registries") as bucket:
        yield bucket


in_both = pytest.mark.parametrize("place", ["here", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
in_store = pytest.mark.parametrize("place", [pytest.param("s3", marks=pytest.mark.slow)], indirect=True)


@pytest.fixture
def place(request, tmp_path, monkeypatch) -> Path:
    """On this machine, unless a test names the bucket."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if getattr(request, "param", "here") == "here":
        return tmp_path / "registry"
    return request.getfixturevalue("bucket") / request.node.originalname


@pytest.fixture
def registry(place, tmp_path) -> Path:
    """With three adapters, none of them promoted."""
    for name in "abc":
        add_adapter(place, write_adapter_folder(tmp_path / name, name.encode()), name)
    return place


def list_served(place: Path) -> list[str]:
    return [promotion.adapter for promotion in open_registry(place).read_promotions()]


def promote(place: Path, name: str, why: str = "") -> Promotion:
    return promote_adapter(open_registry(place), name, why)


def go_back(place: Path, why: str = "") -> Promotion:
    return promote_back(open_registry(place), why)


def change_record(place: Path, source: str, target: str, **change) -> None:
    record = json.loads((place / "added" / f"{source}.json").read_text())
    write_bytes(place / "added" / f"{target}.json", json.dumps(record | change).encode())


def at_once(*calls):
    """What each of several calls gives that start at the same moment, or the error it ends with."""
    barrier = Barrier(len(calls))

    def call(function):
        barrier.wait()
        try:
            return function()
        except SomnolensError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(call, calls))


@in_both
def test_a_file_is_created_by_its_first_writer_alone(place):
    assert [create_bytes(place / "one", content) for content in (b"1", b"2")] == [True, False]
    assert (place / "one").read_bytes() == b"1"
    assert list_names(place) == ["one"]


def test_of_several_writers_of_one_file_at_once_one_is_told_that_it_is_his(tmp_path):
    """Not in the bucket: this machine's imitation of S3 looks and writes in two steps, the real one in one."""
    contents = [bytes([number]) for number in range(N_WRITERS)]
    told = at_once(*(partial(create_bytes, tmp_path / "one", content) for content in contents))
    assert sorted(told) == [False] * (N_WRITERS - 1) + [True]
    assert (tmp_path / "one").read_bytes() == contents[told.index(True)]
    assert list_names(tmp_path) == ["one"]


def test_a_file_is_created_once_on_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert [create_bytes(tmp_path / "one", content) for content in (b"1", b"2")] == [True, False]
    assert (tmp_path / "one").read_bytes() == b"1"
    assert list_names(tmp_path) == ["one"]


@in_both
def test_an_adapter_is_added_as_a_plain_folder_and_fetched_as_it_was(registry, tmp_path):
    assert {name for name in list_names(registry) if name.startswith("adapters/a/")} == {
        f"adapters/a/{path.name}" for path in (tmp_path / "a").iterdir()
    }
    fetched = fetch_adapter(registry, "a")
    assert is_here(fetched)
    assert fetched.name == "a"
    for path in (tmp_path / "a").iterdir():
        assert (fetched / path.name).read_bytes() == path.read_bytes()


def test_without_a_name_an_adapter_is_called_after_its_run(place, tmp_path):
    record = add_adapter(place, write_adapter_folder(tmp_path / "a"))
    assert record.name == f"20231114-221320-{record.fingerprint}"


def test_a_name_is_never_given_again(registry, tmp_path):
    with pytest.raises(RegistryError, match=r"name 'a' is taken .* has fingerprint \w+, this one \w+\. Name another"):
        add_adapter(registry, tmp_path / "b", "a")
    assert (registry / "adapters" / "a" / "adapter_model.safetensors").read_bytes() == b"a"


def test_the_same_adapter_twice_is_told(registry, tmp_path):
    with pytest.raises(RegistryError, match=r"#a is this very adapter, added .* Nothing was written"):
        add_adapter(registry, tmp_path / "a", "a")


@in_both
def test_an_interrupted_copy_is_broken_until_the_same_call_goes_on(registry, tmp_path):
    (registry / "adapters" / "a" / "adapter_model.safetensors").unlink()
    with pytest.raises(RegistryError, match=r"#a is not whole: it has no adapter_model\.safetensors\. Add the same"):
        fetch_adapter(registry, "a")
    add_adapter(registry, tmp_path / "a", "a")
    assert (fetch_adapter(registry, "a") / "adapter_model.safetensors").read_bytes() == b"a"


@pytest.mark.parametrize("name", ["promoted", "embedded", "../a", "a b", ".a", "a" * 101])
def test_a_name_that_cannot_be_one_is_told(tmp_path, name):
    with pytest.raises(RegistryError, match=r"An adapter cannot be called .* Take letters, digits"):
        add_adapter(tmp_path / "registry", write_adapter_folder(tmp_path / "a"), name)


def test_a_folder_that_is_no_adapter_is_not_added(tmp_path):
    folder = write_adapter_folder(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(RegistryError, match=r"is not an adapter of somnolens: it has no adapter_model\.safetensors"):
        add_adapter(tmp_path / "registry", folder)


def test_promotions_go_back_and_forth_and_are_all_recorded(registry):
    promote(registry, "a", "the first")
    promote(registry, "b")
    promote(registry, "c")
    assert go_back(registry, "c names no N1").adapter == "b"
    assert go_back(registry).adapter == "a"
    promote(registry, "c")
    assert go_back(registry).adapter == "a"
    assert list_served(registry) == ["a", "b", "c", "b", "a", "c", "a"]
    history = open_registry(registry).read_promotions()
    assert [promotion.number for promotion in history] == list(range(1, 8))
    assert [promotion.previous for promotion in history] == [None, "a", "b", "c", "b", "a", "c"]
    assert [promotion.back for promotion in history] == [False, False, False, True, True, False, True]
    assert (history[0].why, history[3].why) == ("the first", "c names no N1")


def test_there_is_nothing_before_the_first_promotion(registry):
    with pytest.raises(RegistryError, match="no promotion to go back to: nothing was ever promoted"):
        go_back(registry)
    promote(registry, "a")
    with pytest.raises(RegistryError, match="no promotion to go back to: 'a' is the first one"):
        go_back(registry)


def test_what_serves_is_not_promoted_again(registry):
    promote(registry, "a")
    with pytest.raises(RegistryError, match=r"#a is promoted already, since .* Nothing was written"):
        promote(registry, "a")
    assert list_served(registry) == ["a"]


def test_of_two_promoters_at_once_one_is_refused(tmp_path):
    """Both have seen the same registry. In the bucket, see below: one after the other."""
    place = tmp_path / "registry"
    for name in "ab":
        add_adapter(place, write_adapter_folder(tmp_path / name), name)
    seen = open_registry(place)
    told = at_once(*(partial(promote_adapter, seen, name) for name in "ab"))
    assert sorted(isinstance(one, RegistryError) for one in told) == [False, True]
    winner = next(one for one in told if isinstance(one, Promotion))
    assert list_served(place) == [winner.adapter]


@in_both
def test_a_promoter_who_saw_an_older_registry_is_refused(registry):
    """Another one promotes between the look and the decision."""
    seen = open_registry(registry)
    promote(registry, "b")
    with pytest.raises(
        RegistryError, match=r"'a' was not promoted: somebody else promoted 'b' in .* at .*, as number 1\. Look at"
    ):
        promote_adapter(seen, "a")
    assert list_served(registry) == ["b"]


@in_both
def test_a_changed_adapter_is_refused_wherever_it_is_asked_for(registry):
    promote(registry, "b")
    write_bytes(registry / "adapters" / "a" / "adapter_model.safetensors", b"other")
    changed = (
        r"#a was changed after it was added: adapter_model\.safetensors has SHA-256 \w{12}, it had \w{12}\. Do not"
    )
    with pytest.raises(RegistryError, match=changed):
        fetch_adapter(registry, "a")
    with pytest.raises(RegistryError, match=changed):
        promote(registry, "a")
    assert list_served(registry) == ["b"]


def test_a_file_put_beside_an_adapter_is_told(registry):
    write_bytes(registry / "adapters" / "a" / "adapter_model.bin", b"other")
    with pytest.raises(RegistryError, match=r"holds files that were not added with it: adapter_model\.bin\. Remove"):
        fetch_adapter(registry, "a")


def test_a_promoted_adapter_that_was_swapped_with_its_record_is_refused(registry):
    promote(registry, "a")
    for file in [name for name in list_names(registry) if name.startswith("adapters/b/")]:
        write_bytes(registry / file.replace("/b/", "/a/"), (registry / file).read_bytes())
    change_record(registry, "b", "a", name="a")
    with pytest.raises(RegistryError, match=r"#a has fingerprint \w{12}, but \w{12} was promoted"):
        fetch_adapter(registry, "promoted")


@pytest.mark.parametrize(
    "change", [{"name": "b"}, {"fingerprint": "../../etc"}, {"files": {}}, {"files": None}, {"files": {"../x": "0"}}]
)
def test_a_changed_record_is_refused(tmp_path, change):
    add_adapter(tmp_path / "registry", write_adapter_folder(tmp_path / "a"), "a")
    change_record(tmp_path / "registry", "a", "a", **change)
    with pytest.raises(RegistryError, match=r"added/a\.json was changed after it was written: name, files and fing"):
        fetch_adapter(tmp_path / "registry", "a")


@pytest.mark.parametrize("file", ["../x", "/x", ".x", "a/b", "..\\x"])
def test_no_file_of_a_record_leads_out_of_its_folder(tmp_path, file):
    add_adapter(tmp_path / "registry", write_adapter_folder(tmp_path / "a"), "a")
    files = {file: "0"}
    change_record(tmp_path / "registry", "a", "a", files=files, fingerprint=fingerprint(files))
    with pytest.raises(RegistryError, match=r"added/a\.json was changed after it was written"):
        fetch_adapter(tmp_path / "registry", "a")


@in_store
def test_a_changed_copy_in_the_cache_is_fetched_again(registry):
    copy = fetch_adapter(registry, "a") / "adapter_model.safetensors"
    copy.write_bytes(b"other")
    assert fetch_adapter(registry, "a") / "adapter_model.safetensors" == copy
    assert copy.read_bytes() == b"a"


@in_store
def test_a_cache_that_cannot_be_written_is_told(registry, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(RegistryError, match=r"cannot be kept in .*: Not a directory\. Name a folder .* XDG_CACHE_HOME"):
        fetch_adapter(registry, "a")


@in_both
def test_broken_adapters_neither_stop_a_list_nor_disappear_from_it(registry):
    (registry / "adapters" / "a" / "somnolens.json").unlink()
    write_bytes(registry / "added" / "b.json", b"{")
    write_bytes(registry / "adapters" / "d" / "adapter_config.json", b"{}")
    write_bytes(registry / "added" / "e.json", b'{"made_by": "another tool"}')
    write_bytes(registry / "adapters" / ".tmp-1" / "x", b"")
    problems = {entry.name: entry.problem for entry in open_registry(registry).read_entries()}
    assert list(problems) == list("abcde")
    assert problems["c"] == ""
    assert "#a is not whole: it has no somnolens.json" in problems["a"]
    assert "added/b.json cannot be understood: Expecting property name" in problems["b"]
    assert "adapters/d was not added but put there: there is no added/d.json" in problems["d"]
    assert "added/e.json cannot be understood" in problems["e"]


def test_a_card_of_something_else_is_a_broken_adapter(tmp_path):
    folder = write_adapter_folder(tmp_path / "a", metrics=None)
    add_adapter(tmp_path / "registry", folder, "a")
    entry = open_registry(tmp_path / "registry").read_entry("a")
    assert "somnolens.json cannot be understood: it has no metrics." in entry.problem


def test_a_folder_put_there_by_hand_can_be_added_where_it_lies(registry, tmp_path):
    put = write_adapter_folder(tmp_path / "d", b"d")
    for path in put.iterdir():
        write_bytes(registry / "adapters" / "d" / path.name, path.read_bytes())
    with pytest.raises(RegistryError, match=r"adapters/d was put there by hand and its adapter_model\.safetensors is"):
        add_adapter(registry, tmp_path / "a", "d")
    add_adapter(registry, put, "d")
    assert open_registry(registry).read_entry("d").problem == ""


def test_a_name_that_is_not_there_is_told_with_what_is_near(registry):
    with pytest.raises(
        RegistryError, match=r"has no adapter 'ab'\. There are 3, as .*'a'.*; `somnolens adapters list`"
    ):
        fetch_adapter(registry, "ab")


def test_nothing_promoted_is_told(registry):
    with pytest.raises(RegistryError, match=r"Nothing is promoted in .* Promote an adapter with `somnolens adapters"):
        fetch_adapter(registry, "promoted")


@in_both
def test_a_place_without_a_registry_is_told(place):
    with pytest.raises(
        RegistryError, match=r"There is no registry at .*: looked for adapters/, added/ and promotions/"
    ):
        open_registry(place)


def test_a_promotion_that_cannot_be_understood_lets_no_earlier_one_serve(registry):
    promote(registry, "a")
    write_bytes(registry / "promotions" / "000002.json", b"[]")
    with pytest.raises(RegistryError, match=r"promotions/000002\.json cannot be understood: it holds \[\]"):
        fetch_adapter(registry, "promoted")


@in_both
def test_the_promoted_adapter_is_located_by_one_word(registry):
    promote(registry, "a")
    assert locate_adapter(f"{registry}#promoted") == fetch_adapter(registry, "a")
    promote(registry, "b")
    assert locate_adapter(f"{registry}#promoted") == fetch_adapter(registry, "b")
    assert locate_adapter(f"{registry}#a") == fetch_adapter(registry, "a")


@in_both
def test_a_pinned_adapter_stays_whatever_is_promoted_later(registry):
    promote(registry, "a")
    pinned = pin_adapter(f"{registry}#promoted")
    promote(registry, "b")
    assert pinned == f"{registry}#a"
    assert pin_adapter(pinned) == pinned


def test_folders_and_the_embedded_adapter_are_pinned_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pin_adapter("embedded") == "embedded"
    assert pin_adapter("run/adapter") == str(tmp_path / "run" / "adapter")


def test_a_folder_may_have_the_sign_in_its_name(tmp_path):
    folder = write_adapter_folder(tmp_path / "run#1")
    assert split_address(str(folder)) is None
    assert locate_adapter(folder) == folder
