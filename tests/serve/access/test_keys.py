"""Keys: shown once, kept as hashes, revoked at once."""

import asyncio
import stat
import threading

import pytest

from somnolens.errors import SettingsError
from somnolens.serve.access import keys
from somnolens.serve.access.keys import (
    VARIABLE,
    KeyLimits,
    KeyRing,
    KeySource,
    add_key,
    make_key,
    read_ring,
    revoke_key,
)


def test_a_key_opens_and_nothing_else_does(tmp_path):
    text, other = add_key(tmp_path / "keys.json", "page"), add_key(tmp_path / "keys.json", "cluster", admin=True)
    ring = read_ring(tmp_path / "keys.json")
    assert (ring.find(text).name, ring.find(text).admin) == ("page", False)
    assert (ring.find(other).name, ring.find(other).admin) == ("cluster", True)
    swapped = "_".join([*text.split("_", 2)[:2], other.split("_", 2)[2]])
    for wrong in ("", "som", "som__", text[:-1], text + "x", text.upper(), swapped, "som_" + "0" * 8 + "_x"):
        assert ring.find(wrong) is None, wrong


def test_the_file_does_not_hold_what_opens_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "folder" / "keys.json"
    secret = add_key(path, "page").split("_", 2)[2]
    assert secret not in path.read_text()
    assert len(secret) >= 43  # 256 bits
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_keys_of_one_text_would_have_other_digests():
    ring = KeyRing(keys=(make_key("a")[0], make_key("a")[0]))
    assert len({key.salt for key in ring.keys}) == 2


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(tmp_path):
    path = tmp_path / "keys.json"
    text = add_key(path, "page")
    revoke_key(path, "page")
    assert read_ring(path).find(text) is None
    assert [key.name for key in read_ring(path).keys] == ["page"]
    with pytest.raises(SettingsError, match="0 keys go by 'page'"):
        revoke_key(path, "page")


def test_a_name_that_two_keys_have_is_not_enough_to_revoke(tmp_path):
    path = tmp_path / "keys.json"
    for _ in range(2):
        add_key(path, "lab")
    with pytest.raises(SettingsError, match=r"2 keys go by 'lab'\. Name one by its id"):
        revoke_key(path, "lab")
    revoke_key(path, read_ring(path).keys[0].id)


def test_a_running_service_sees_new_keys_and_those_revoked(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "REFRESH_S", 0.0)
    monkeypatch.setattr(keys, "STALE_S", 0.0)
    path = tmp_path / "keys.json"
    source = KeySource(str(path))
    assert asyncio.run(source.find("som_0_0")) is None
    text = add_key(path, "page")
    assert asyncio.run(source.find(text)).name == "page"
    revoke_key(path, "page")
    assert asyncio.run(source.find(text)) is None


def test_a_request_does_not_wait_for_a_slow_file_but_one_that_is_late_does(tmp_path, monkeypatch):
    path = tmp_path / "keys.json"
    text = add_key(path, "page")
    may_read = threading.Event()

    async def ask() -> list[str | None]:
        source = KeySource(str(path))
        told = [await source.find(text)]
        monkeypatch.setattr(keys, "REFRESH_S", 0.0)
        read = source.read
        monkeypatch.setattr(source, "read", lambda: may_read.wait(30) and read())
        revoke_key(path, "page")
        told += [await source.find(text) for _ in range(3)]
        monkeypatch.setattr(keys, "STALE_S", 0.0)
        late = asyncio.create_task(source.find(text))
        await asyncio.sleep(0.05)
        may_read.set()
        return [key and key.name for key in (*told, await late)]

    assert asyncio.run(ask()) == [*["page"] * 4, None]


def test_a_file_that_breaks_is_told_to_who_waits_for_it_and_mended_later(tmp_path, monkeypatch):
    path = tmp_path / "keys.json"
    text = add_key(path, "page")
    whole = path.read_bytes()
    monkeypatch.setattr(keys, "REFRESH_S", 0.0)
    monkeypatch.setattr(keys, "STALE_S", 0.0)

    async def ask() -> str:
        source = KeySource(str(path))
        path.write_bytes(b"{")
        with pytest.raises(SettingsError, match="cannot be understood"):
            await source.find(text)
        path.write_bytes(whole)
        return (await source.find(text)).name

    assert asyncio.run(ask()) == "page"


def test_keys_of_the_environment_are_taken_where_no_file_is_named(monkeypatch):
    key, text = make_key("page", limits=KeyLimits(nights_per_hour=3))
    monkeypatch.setenv(VARIABLE, KeyRing(keys=(key,)).model_dump_json())
    assert asyncio.run(KeySource().find(text)).limits.nights_per_hour == 3


def test_a_file_of_something_else_is_told(tmp_path):
    (tmp_path / "keys.json").write_text('{"keys": [{"id": "1"}]}')
    with pytest.raises(
        SettingsError, match=r"keys\.0\.name: Field required. Write them with `somnolens keys add NAME`"
    ):
        read_ring(tmp_path / "keys.json")
