"""The palette: every pair of stages can be told apart, also by a colour-blind reader."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from somnolens.aasm import STAGES
from somnolens.report.palette import PAGE_DARK, PAGE_LIGHT, STAGE_COLOURS, STAGE_COLOURS_DARK

# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A physiologically-based model for simulation of color
# vision deficiency", IEEE TVCG 15(6), 2009: severity 1.0, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(axis=1)


def see(colour: str, vision: str) -> np.ndarray:
    """CIE L*a*b* of a colour as seen with that vision."""
    ratio = TO_XYZ @ np.clip(np.array(VISION[vision]) @ _linear(colour), 0, 1) / WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("colours", [STAGE_COLOURS, STAGE_COLOURS_DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_every_two_stages_look_different(vision, colours):
    for one, two in combinations(STAGES, 2):
        difference = np.linalg.norm(see(colours[one], vision) - see(colours[two], vision))
        assert difference > 20, f"{one} and {two} are {difference:.0f} apart under {vision}"


@pytest.mark.parametrize("colours", [STAGE_COLOURS, STAGE_COLOURS_DARK], ids=["light", "dark"])
def test_deeper_sleep_is_darker(colours):
    lightness = [see(colours[stage], "full")[0] for stage in ("N1", "N2", "N3")]
    assert lightness == sorted(lightness, reverse=True)


def test_the_edges_of_a_report_s_charts_stand_out_from_their_page():
    """A stage is told by a shape with an edge: the edge needs three times the light of the page, or a third."""
    for page in (PAGE_LIGHT, PAGE_DARK):
        shine = {name: (TO_XYZ @ _linear(page[name]))[1] for name in ("paper", "edge", "ink", "quiet")}
        for name, least in (("edge", 3.0), ("ink", 7.0), ("quiet", 4.5)):
            high, low = sorted((shine[name], shine["paper"]), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, name


def _linear(colour: str) -> np.ndarray:
    encoded = np.array(to_rgb(colour))
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
