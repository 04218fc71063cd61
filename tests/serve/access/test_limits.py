"""How long a recording may be, told by its header alone."""

import pytest

from somnolens.config import ServeSettings
from somnolens.serve.access.keys import KeyLimits, make_key
from somnolens.serve.access.limits import check_duration, describe_client
from somnolens.serve.messages.problems import TooLongNightError


def limit(hours: float):
    key, _ = make_key("lab", limits=KeyLimits(max_night_hours=hours))
    return describe_client(key, ServeSettings())


def test_a_recording_longer_than_its_key_may_send_is_refused_by_its_header(night_path):
    check_duration(night_path, limit(20 / 120))
    with pytest.raises(TooLongNightError, match=r"The recording is 0\.2 h long; this key may send up to 0\.1 h"):
        check_duration(night_path, limit(0.1))


def test_a_header_that_tells_no_length_does_not_hide_it(night_path, tmp_path):
    raw = bytearray(night_path.read_bytes())
    raw[236:244] = b"-1".ljust(8)
    (tmp_path / "night.edf").write_bytes(raw)
    with pytest.raises(TooLongNightError):
        check_duration(tmp_path / "night.edf", limit(0.1))


def test_what_is_no_recording_is_left_to_the_reader(tmp_path):
    (tmp_path / "night.edf").write_bytes(b"no EDF")
    check_duration(tmp_path / "night.edf", limit(0.1))


def test_limits_of_a_key_come_before_those_of_the_service():
    key, _ = make_key("lab", limits=KeyLimits(nights_per_hour=3))
    client, settings = describe_client(key, ServeSettings()), ServeSettings()
    assert (client.name, client.nights_per_hour, client.max_upload_mb) == ("lab", 3, settings.max_upload_mb)
    assert describe_client(None, settings).admin
