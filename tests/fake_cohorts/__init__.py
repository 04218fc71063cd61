"""Faithful stand-ins for cohorts that may not be passed on.

Directory layout, file names, labels, rates, units and scoring files are those of the real ones; signals and
stages are made up, so that the right answer is known: `write_<cohort>(folder) -> list[Truth]`.
"""

from collections.abc import Callable
from pathlib import Path

from tests.fake_cohorts.dod import write_dod_h, write_dod_o
from tests.fake_cohorts.hmc import write_hmc
from tests.fake_cohorts.isruc import write_isruc
from tests.fake_cohorts.mass import write_mass
from tests.fake_cohorts.own_folder import write_own_folder
from tests.fake_cohorts.shhs import write_shhs
from tests.fake_cohorts.sleep_edf import write_sleep_edf
from tests.fake_cohorts.truth import Truth

WRITERS: dict[str, Callable[[Path], list[Truth]]] = {
    "dod_h": write_dod_h,
    "dod_o": write_dod_o,
    "edf_folder": write_own_folder,
    "hmc": write_hmc,
    "isruc": write_isruc,
    "mass": write_mass,
    "shhs": write_shhs,
    "sleep_edf": write_sleep_edf,
}
"""Cohort to its writer."""
