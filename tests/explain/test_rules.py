"""The table of rules, on evidence that is given."""

from dataclasses import replace

import pytest

from somnolens.aasm import STAGES
from somnolens.explain.events import Event
from somnolens.explain.evidence import Evidence
from somnolens.explain.night import judge_measured
from somnolens.explain.rules import RULES, Look, judge_epoch

QUIET = Evidence(
    0,
    alpha_s=0.0,
    low_mixed_s=28.0,
    spindles=(),
    k_complexes=(),
    waves=(),
    slow_wave_share=0.0,
    rapid=(),
    rolls_s=0.0,
    arousals=(),
    tone_uv=3.0,
    tone_ratio=1.2,
    movement_s=0.0,
)
SPINDLE = Event("spindle", 5.0, 0.8, "C4-M1", 30.0, 13.2)


def judge(stages, *evidence):
    return judge_measured([replace(one, epoch=place) for place, one in enumerate(evidence)], stages)


def test_each_rule_has_an_id_of_its_own_and_speaks_of_a_stage_and_a_clause():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.startswith(f"{rule.stage}.") and rule.clause.startswith("IV, ") for rule in RULES)
    assert {rule.stage for rule in RULES if rule.weight == "defines"} == set(STAGES)


def test_where_nothing_was_measured_no_rule_speaks():
    assert judge_epoch(Look([Evidence(0)], ["N2"], 0)) == []


def test_every_sentence_has_a_number():
    busy = replace(QUIET, spindles=(SPINDLE,), alpha_s=20.0, slow_wave_share=0.4, rolls_s=8.0, tone_ratio=3.0)
    dreaming = replace(QUIET, rapid=(Event("rapid eye movement", 4.0, 0.5, "E1-M2", 90.0),))
    for one in judge(("N2", "R", "R"), busy, dreaming, QUIET):
        assert one.findings
        assert all(any(letter.isdigit() for letter in finding.sentence) for finding in one.findings)


def test_reasons_name_what_defines_the_stage_first_and_what_rules_it_out_last():
    (one,) = judge(("N2",), replace(QUIET, spindles=(SPINDLE,), slow_wave_share=0.34))
    assert one.reasons == [
        "For N2: 1 spindle (0.8 s, 13.2 Hz) in the first half [N2.1]",
        "Against N2: waves of 75 microvolts or more fill 34 % of the epoch (the manual: at least 20 %) [N2.5]",
    ]
    assert not one.is_supported


def test_a_disagreement_names_the_measured_stage_with_its_reason():
    (one,) = judge(("N2",), replace(QUIET, slow_wave_share=0.34))
    assert one.disagreement == (
        "Scored N2, measured as N3: waves of 75 microvolts or more fill 34 % of the epoch (the manual: at least 20 %) "
        "[N3.1]. Against N2: waves of 75 microvolts or more fill 34 % of the epoch (the manual: at least 20 %)."
    )


def test_a_stage_that_is_supported_is_no_disagreement_even_if_another_is_too():
    assert judge(("N1",), QUIET)[0].disagreement == ""


def test_n1_is_what_is_left_and_contradicts_only_what_is_ruled_out():
    """W without alpha in a quiet epoch is thin; N3 without slow waves is wrong."""
    assert judge(("W",), QUIET)[0].supported == ("N1",)
    assert judge(("W",), QUIET)[0].disagreement == ""
    assert judge(("N3",), QUIET)[0].disagreement.startswith("Scored N3, measured as N1: ")


def test_what_nobody_scored_is_no_disagreement():
    assert judge(("UNSCORED",), replace(QUIET, slow_wave_share=0.5))[0].disagreement == ""


@pytest.mark.parametrize(("share", "supported"), [(0.199, ("N1",)), (0.2, ("N3",))])
def test_a_fifth_of_the_epoch_is_enough_for_n3(share, supported):
    assert judge(("N3",), replace(QUIET, slow_wave_share=share))[0].supported == supported


@pytest.mark.parametrize(("seconds", "supported"), [(15.0, ("N1",)), (16.0, ("W",))])
def test_alpha_in_more_than_half_of_the_epoch_is_w(seconds, supported):
    assert judge(("W",), replace(QUIET, alpha_s=seconds))[0].supported == supported


def test_n2_continues_over_quiet_epochs_and_ends_with_an_arousal():
    begun = replace(QUIET, spindles=(SPINDLE,))
    aroused = replace(QUIET, arousals=(Event("arousal", 65.0, 5.0, "C4-M1"),))
    stages = ("N2",) * 4
    assert all("N2" in one.supported for one in judge(stages, begun, QUIET, QUIET, QUIET))
    assert ["N2" in one.supported for one in judge(stages, begun, QUIET, aroused, QUIET)] == [True, True, False, False]


def test_n2_does_not_continue_out_of_another_run():
    begun = replace(QUIET, spindles=(SPINDLE,))
    assert "N2" not in judge(("N2", "R", "N2"), begun, QUIET, QUIET)[2].supported


def test_a_spindle_within_an_arousal_does_not_begin_n2():
    aroused = replace(QUIET, spindles=(SPINDLE,), arousals=(Event("arousal", 4.0, 6.0, "C4-M1"),))
    assert "N2" not in judge(("N2",), aroused)[0].supported


def test_r_reaches_back_to_epochs_before_the_first_rapid_eye_movement():
    dreaming = replace(QUIET, rapid=(Event("rapid eye movement", 64.0, 0.5, "E1-M2", 90.0),))
    assert "R" in judge(("R", "R", "R"), QUIET, QUIET, dreaming)[0].supported
