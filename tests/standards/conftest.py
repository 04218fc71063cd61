"""The byte-by-byte EDF files of tests/read."""

from tests.read.conftest import make_signal, make_tals, ramp, write_edf

__all__ = ["make_signal", "make_tals", "ramp", "write_edf"]
