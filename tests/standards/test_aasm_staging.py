"""Clauses of the AASM manual (version 3, chapter IV, adults) that measured evidence and its rules implement.

Each on a signal whose answer is known: a plain night of N1 to which the clause's own wave is added.
"""

import pytest

from somnolens.explain.night import explain_night
from tests.plain_nights import make_plain_night

N2_FROM_HERE = ("N1", "N1", "N2", "N2", "N2", "N2")


def judge(night, epoch, stages=("N1",) * 6):
    """Rules that spoke of an epoch, and the stages that are supported."""
    one = explain_night(night.cut(), stages).epochs[epoch]
    return {finding.rule for finding in one.findings}, one.supported


def test_w_is_scored_when_alpha_rules_more_than_half_of_the_epoch():
    """Stage W: alpha rhythm over the occipital region in more than 50 % of the epoch."""
    rules, supported = judge(make_plain_night().add_alpha(60, 18), 2)
    assert "W.1" in rules
    assert supported == ("W",)


def test_w_is_not_scored_when_alpha_rules_less_than_half_of_the_epoch():
    rules, supported = judge(make_plain_night().add_alpha(60, 13), 2)
    assert {"W.1", "W.5"} & rules == {"W.5"}
    assert supported == ("N1",)


def test_w_is_scored_with_open_eyes_when_they_move_rapidly_and_the_chin_is_tense():
    """Stage W: rapid eye movements or blinks with normal or high chin tone."""
    night = make_plain_night().set_tone(2, 4.0)
    for at_s in (62, 66, 70, 75):
        night.add_rapid_movement(at_s)
    rules, supported = judge(night, 2)
    assert "W.2" in rules
    assert "W" in supported
    assert "R" not in supported


def test_n1_is_scored_when_low_amplitude_mixed_frequency_activity_replaces_alpha():
    """Stage N1: in subjects who generate alpha, it is attenuated and replaced for more than half of the epoch."""
    assert judge(make_plain_night().add_alpha(0, 30), 2)[1] == ("N1",)


def test_slow_eye_movements_agree_with_n1():
    assert "N1.2" in judge(make_plain_night().add_roll(62, 20), 2)[0]


def test_n2_begins_with_a_spindle_in_the_first_half_of_the_epoch():
    """Stage N2: begin scoring N2 if a spindle or K-complex occurs in the first half of that epoch..."""
    rules, supported = judge(make_plain_night().add_spindle(65), 2)
    assert "N2.1" in rules
    assert supported == ("N2",)


def test_n2_begins_after_a_spindle_in_the_last_half_of_the_epoch_before():
    """... or the last half of the previous epoch."""
    night = make_plain_night().add_spindle(80)
    assert "N2.1" not in judge(night, 2)[0]
    assert judge(night, 2)[1] == ("N1",)
    assert judge(night, 3)[1] == ("N2",)


def test_n2_continues_without_spindles():
    """Stage N2: continue to score N2 for epochs without K-complexes or spindles."""
    rules, supported = judge(make_plain_night().add_spindle(65), 5, N2_FROM_HERE)
    assert "N2.2" in rules
    assert "N2" in supported


def test_n2_does_not_continue_beyond_a_major_body_movement():
    """Stage N2 ends with a major body movement followed by low-amplitude EEG without spindles."""
    night = make_plain_night().add_spindle(65).set_tone(3, 8.0)
    assert "N2.2" not in judge(night, 5, N2_FROM_HERE)[0]


@pytest.mark.parametrize(("n_waves", "stage"), [(8, "N3"), (4, "N1")])
def test_n3_is_scored_when_slow_waves_fill_a_fifth_of_the_epoch(n_waves, stage):
    """Stage N3: slow-wave activity, 0.5 to 2 Hz and more than 75 microvolts, for 20 % of an epoch or more."""
    supported = judge(make_plain_night().add_slow_waves(61, n_waves, 130.0), 2)[1]
    assert ("N3" in supported) == (stage == "N3")


def test_waves_of_less_than_75_microvolts_are_no_slow_waves():
    assert "N3.2" in judge(make_plain_night().add_slow_waves(61, 20, 40.0), 2)[0]


def test_r_is_scored_with_rapid_eye_movements_and_low_chin_tone():
    """Stage R: low-amplitude mixed-frequency EEG, low chin tone, rapid eye movements."""
    night = make_plain_night().add_rapid_movement(70).add_rapid_movement(80)
    assert judge(night, 2)[1] == ("R",)


def test_r_is_not_scored_with_a_tense_chin():
    night = make_plain_night().add_rapid_movement(70).set_tone(2, 4.0)
    assert "R.4" in judge(night, 2)[0]
    assert "R" not in judge(night, 2)[1]


def test_r_continues_without_rapid_eye_movements_while_the_chin_stays_slack():
    """Stage R: continue to score R after definite R while the EEG stays mixed and chin tone low."""
    night = make_plain_night().add_rapid_movement(40)
    rules, supported = judge(night, 4, ("W", "R", "R", "R", "R", "R"))
    assert "R.2" in rules
    assert "R" in supported


def test_r_does_not_continue_when_chin_tone_rises():
    night = make_plain_night().add_rapid_movement(40).set_tone(4, 4.0)
    assert "R" not in judge(night, 4, ("W", "R", "R", "R", "R", "R"))[1]


def test_two_spindles_rule_out_r():
    night = make_plain_night().add_rapid_movement(70).add_spindle(62).add_spindle(68)
    assert "R" not in judge(night, 2)[1]


def test_a_major_body_movement_fills_more_than_half_of_the_epoch():
    rules, _ = judge(make_plain_night().set_tone(2, 8.0), 2)
    assert "W.4" in rules
