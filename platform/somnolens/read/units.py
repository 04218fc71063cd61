"""Units of voltage, and what to make of a signal that states none."""

from typing import Final

from somnolens.read.labels import parse_label

_MICROVOLTS: Final = {
    **dict.fromkeys(("uv", "µv", "μv", "mcv", "microv", "microvolt", "microvolts"), 1.0),
    **dict.fromkeys(("mv", "milliv", "millivolt", "millivolts"), 1e3),
    **dict.fromkeys(("v", "volt", "volts"), 1e6),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-3),
}
"""Microvolts in one of each unit, in lower case: headers write mV, mv, Volts. µ has two code points."""

_NO_UNIT: Final = ("", "-", "?", "n/a", "none")


def is_voltage(label: str, unit: str) -> bool:
    """Whether a signal is a voltage: by its unit, or without one by a label that names an electrode.

    Examples
    --------
    >>> is_voltage("EEG C4-M1", "mV"), is_voltage("EEG C4-M1", ""), is_voltage("Event marker", "")
    (True, True, False)
    """
    known = unit.lower() in _MICROVOLTS
    return known or (unit.lower() in _NO_UNIT and parse_label(label) is not None)


def microvolts_per_unit(unit: str, physical_min: float, physical_max: float) -> tuple[float, str]:
    """Microvolts in one physical unit, and a sentence when that is a guess.

    Without a unit the range decides: no amplifier of sleep reaches less than 20 microvolts or more
    than 0.05 V, so a range below 0.05 is in volts and one below 20 in millivolts.

    Examples
    --------
    >>> microvolts_per_unit("mV", -3.2, 3.2)
    (1000.0, '')
    >>> microvolts_per_unit("", -3.2, 3.2)
    (1000.0, 'has no unit; its range of -3.2 to 3.2 was taken for millivolts')
    """
    if unit.lower() in _MICROVOLTS:
        return _MICROVOLTS[unit.lower()], ""
    largest = max(abs(physical_min), abs(physical_max))
    word, factor = next(guess for limit, *guess in _GUESSES if largest < limit)
    return factor, f"has no unit; its range of {physical_min:g} to {physical_max:g} was taken for {word}"


_GUESSES: Final = ((0.05, "volts", 1e6), (20.0, "millivolts", 1e3), (float("inf"), "microvolts", 1.0))
