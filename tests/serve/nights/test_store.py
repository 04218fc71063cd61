"""The store of nights: what is begun, found, finished, counted and emptied, in a folder or in a bucket."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pytest

from somnolens.serve.messages.problems import BusyError
from somnolens.serve.nights.store import ConflictError, NightStore, Step, UnknownNightError, name_folder
from tests.object_store import serve_bucket


@pytest.fixture
def empty(tmp_path) -> NightStore:
    return NightStore(tmp_path, keep_h=1.0, most_nights=2)


def test_old_nights_and_their_keys_are_emptied(empty):
    record = empty.begin("anyone", keep=True, has_key=True)
    assert empty.claim_key("anyone", "key", "digest", record.id) == record.id
    young = empty.begin("anyone", keep=False)
    empty._write_json(record.id, "record.json", vars(replace(record, expires_at=time.time() - 1)))
    with pytest.raises(UnknownNightError):
        empty.open(record.id, "anyone")
    assert empty.sweep() == [record.id]
    assert empty.open(young.id, "anyone") == young
    assert empty.claim_key("anyone", "key", "other digest", young.id) == young.id


def test_what_never_got_a_record_is_emptied_at_second_sight(empty, tmp_path):
    lost = "ab" * 16
    empty.write(lost, "upload.edf", b"x")
    assert empty.sweep() == []
    assert empty.sweep() == [lost]


@pytest.mark.parametrize("written", [b'{"id": "ab", "owner": "us"}', b"[]", b"{", b'{"client": 7}'])
def test_a_record_of_another_shape_is_no_night_and_is_emptied(empty, written):
    record = empty.begin("us", keep=True)
    assert empty.claim_key("us", "key", "digest", record.id) == record.id
    empty.write(record.id, "record.json", written)
    with pytest.raises(UnknownNightError, match="or another version of the service kept it"):
        empty.open(record.id, "us")
    assert empty.find(record.id) is None
    assert (empty.sweep(), empty.sweep()) == ([], [record.id])
    assert empty.claim_key("us", "key", "another digest", "cd" * 16) == "cd" * 16


def test_what_a_later_version_writes_besides_is_passed_over(empty):
    record = empty.begin("us", keep=True)
    empty.write(record.id, "record.json", json.dumps(asdict(record) | {"colour": "blue"}).encode())
    assert empty.open(record.id, "us") == record


def test_what_is_no_step_and_no_claim_of_ours_counts_as_none(empty, tmp_path):
    record = empty.begin("us", keep=True)
    for name in ("progress.json", "outcome.json"):
        empty.write(record.id, name, b'{"state": "dreaming", "at": "noon"}')
    assert empty.tell_step(record.id) == (Step("queued"), 0.0)
    assert empty.claim_key("us", "key", "digest", record.id) == record.id
    (claim,) = (tmp_path / "keys").iterdir()
    claim.write_bytes(b'{"night": 7}')
    assert empty.claim_key("us", "key", "another digest", record.id) == record.id


def test_more_nights_than_the_store_takes_are_refused_and_others_pass(empty):
    for _ in range(2):
        empty.begin("anyone", keep=True)
    with pytest.raises(BusyError, match="keeps 2 nights, the most it takes"):
        empty.begin("anyone", keep=True)
    assert empty.begin("anyone", keep=False).keep is False


def test_nights_may_go_while_they_are_counted(empty):
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            empty.remove(empty.begin("anyone", keep=False).id)

    with ThreadPoolExecutor(2) as threads:
        coming = [threads.submit(come_and_go) for _ in range(2)]
        try:
            assert {empty.count() for _ in range(300)} == {0}
        finally:
            stop.set()
        assert [one.result() for one in coming] == [None, None]


def test_a_key_is_bound_to_its_client(empty):
    ours, theirs = (empty.begin(client, keep=True) for client in ("us", "them"))
    assert empty.claim_key("us", "key", "a", ours.id) == ours.id
    assert empty.claim_key("them", "key", "b", theirs.id) == theirs.id
    with pytest.raises(ConflictError, match="another body"):
        empty.claim_key("us", "key", "b", ours.id)


def test_a_finished_night_is_finished_whatever_was_noted_later(empty):
    record = empty.begin("anyone", keep=True)
    assert empty.tell_step(record.id) == (Step("queued"), 0.0)
    empty.note(record.id, Step("looking", 0.4))
    assert empty.tell_step(record.id)[0] == Step("looking", 0.4)
    empty.finish(record.id, Step("done", 1.0))
    empty.note(record.id, Step("looking", 0.5))
    assert empty.tell_step(record.id)[0] == Step("done", 1.0)


@pytest.mark.slow
def test_a_store_may_be_a_bucket(tmp_path, to_npy):
    with serve_bucket("kept-nights") as bucket:
        store = NightStore(bucket, keep_h=1.0, most_nights=1)
        assert (store.count(), store.sweep()) == (0, [])
        record = store.begin("us", keep=True)
        (tmp_path / "sent.edf").write_bytes(b"recording")
        store.take_upload(record.id, tmp_path / "sent.edf")
        assert store.bring_upload(record.id, tmp_path).read_bytes() == b"recording"
        assert store.claim_key("us", "key", "digest", record.id) == record.id
        assert store.claim_key("us", "key", "digest", "ab" * 16) == record.id
        store.write(record.id, "signals.npy", to_npy(np.arange(6.0)))
        assert store.map_array(record.id, "signals.npy").tolist() == list(range(6))
        store.finish(record.id, Step("done", 1.0))
        assert store.open(record.id, "us") == record
        assert (store.tell_step(record.id)[0].state, store.has(record.id, "upload.edf")) == ("done", False)
        with pytest.raises(BusyError):
            store.begin("us", keep=True)
        store.remove(record.id)
        assert (store.count(), store.find(record.id)) == (0, None)
        assert store.sweep() == []
        assert store.claim_key("us", "key", "another digest", "cd" * 16) == "cd" * 16


def test_the_private_folder_is_one_that_nobody_can_guess(service_settings):
    unnamed = service_settings.model_copy(update={"nights_folder": ""})
    folders = {name_folder(unnamed).nights_folder for _ in range(2)}
    assert len(folders) == 2
    assert name_folder(service_settings) == service_settings
