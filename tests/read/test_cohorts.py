"""Which files of a folder are a night."""

from pathlib import Path

import pytest

from somnolens.errors import EmptyCohortError, SettingsError
from somnolens.read.cohorts import find_nights, join_cohorts, list_cohorts
from somnolens.read.night import Night
from somnolens.read.survey import survey_night


@pytest.fixture
def make_folder(tmp_path):
    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def pairs_of(folder: Path) -> dict[str, str | None]:
    return {night.recording_path.name: scoring_of(night) for night in find_nights(folder)}


def scoring_of(night: Night) -> str | None:
    return night.scorings[0].path.name if night.scorings else None


def test_simulated_nights(make_folder):
    names = [f"SIM00{i}-{kind}.edf" for i in (1, 2) for kind in ("PSG", "Hypnogram")]
    nights = find_nights(make_folder(*names))
    assert [(night.cohort, night.subject, night.night) for night in nights] == [
        ("edf_folder", "SIM001", "SIM001"),
        ("edf_folder", "SIM002", "SIM002"),
    ]
    assert scoring_of(nights[0]) == "SIM001-Hypnogram.edf"


def test_sleep_edf_pairs_share_seven_characters(make_folder):
    folder = make_folder(
        "SC4011E0-PSG.edf",
        "SC4011EH-Hypnogram.edf",
        "SC4012E0-PSG.edf",
        "SC4012EC-Hypnogram.edf",
        "ST7011J0-PSG.edf",
        "ST7011JP-Hypnogram.edf",
    )
    assert pairs_of(folder) == {
        "SC4011E0-PSG.edf": "SC4011EH-Hypnogram.edf",
        "SC4012E0-PSG.edf": "SC4012EC-Hypnogram.edf",
        "ST7011J0-PSG.edf": "ST7011JP-Hypnogram.edf",
    }


def test_two_nights_of_one_person_have_one_subject(make_folder):
    nights = find_nights(make_folder("SC4011E0-PSG.edf", "SC4012E0-PSG.edf", "p7_night1.edf", "p7_night2.edf"))
    assert [night.subject for night in nights] == ["SC401", "SC401", "p7", "p7"]
    assert len({night.night for night in nights}) == 4


@pytest.mark.parametrize(
    ("recording", "scoring"),
    [
        ("a.edf", "a.csv"),
        ("a.edf", "a.tsv"),
        ("sub-01_eeg.edf", "sub-01_events.tsv"),
        ("sub-01_eeg.edf", "sub-01_hypnogram.tsv"),
        ("SN001.edf", "SN001_sleepscoring.edf"),
        ("a.rec", "a-Hypnogram.edf"),
        ("A.EDF", "a.CSV"),
    ],
)
def test_pairs_by_name(make_folder, recording, scoring):
    assert pairs_of(make_folder(recording, scoring)) == {recording: scoring}


def test_a_hypnogram_goes_before_a_table_of_events(make_folder):
    assert pairs_of(make_folder("a.edf", "a.csv", "a-Hypnogram.edf", "a_events.tsv"))["a.edf"] == "a-Hypnogram.edf"


def test_a_night_nobody_scored_is_a_night(make_folder):
    assert pairs_of(make_folder("a-PSG.edf", "b-Hypnogram.edf", "notes.csv")) == {"a-PSG.edf": None}


def test_folders_below_are_searched_and_keep_nights_apart(make_folder):
    nights = find_nights(make_folder("x/1/psg.edf", "x/2/psg.edf", "x/2/psg.csv", ".hidden.edf"))
    assert [night.night for night in nights] == ["x_1_psg", "x_2_psg"]
    assert [scoring_of(night) for night in nights] == [None, "psg.csv"]


def test_an_empty_folder_says_what_was_looked_for(make_folder):
    with pytest.raises(EmptyCohortError) as caught:
        find_nights(make_folder("readme.txt", "a-Hypnogram.edf"))
    assert "holds no recording. Looked for files ending in .edf, .bdf, .rec in it and below" in str(caught.value)
    assert "it holds 2 other file(s)" in str(caught.value)


def test_a_missing_folder(tmp_path):
    with pytest.raises(EmptyCohortError, match=r"There is no folder .*gone\. Name the folder with the recordings"):
        find_nights(tmp_path / "gone")


def test_cohorts_are_found_by_their_file():
    assert "edf_folder" in list_cohorts()
    with pytest.raises(SettingsError, match="No cohort is called 'shhs9'; there are dod_h, dod_o, edf_folder"):
        find_nights(Path(), "shhs9")


def test_the_real_folder(psg_folder):
    nights = {night.night: night for night in find_nights(psg_folder)}
    assert scoring_of(nights["SC4001E0_5epochs"]) == "SC4001E0_5epochs-Hypnogram.edf"
    assert nights["SC4001E0_5epochs"].subject == "SC400"
    assert len(nights) == 2


def test_real_recording_and_real_scoring_are_one_night_of_sleep_edf(psg_folder, tmp_path):
    """The recording is an excerpt, so most of the scoring lies beyond it."""
    (tmp_path / "SC4001E0-PSG.edf").symlink_to((psg_folder / "short_psg.edf").resolve())
    scoring = psg_folder / "hypnograms" / "SC4001EC-Hypnogram.edf"
    (tmp_path / "SC4001EC-Hypnogram.edf").symlink_to(scoring.resolve())
    (night,) = find_nights(tmp_path, "sleep_edf")
    facts = survey_night(night)
    assert (night.subject, night.night, facts.scorers) == ("SC400", "SC4001", ("scorer C",))
    assert facts.stages.counts() == {"W": 10, "N1": 0, "N2": 0, "N3": 0, "R": 0, "UNSCORED": 0}
    assert facts.problems == ()


def test_nights_of_several_cohorts_have_names_of_their_own(make_folder):
    folder = make_folder("SIM001-PSG.edf", "SIM002-PSG.edf")
    one, other = find_nights(folder, "simulated"), find_nights(folder)
    joined = join_cohorts({"simulated": one, "edf_folder": other})
    assert [(night.cohort, night.subject) for night in joined] == [
        *(("simulated", f"simulated-SIM00{number}") for number in (1, 2)),
        *(("edf_folder", f"edf_folder-SIM00{number}") for number in (1, 2)),
    ]
    assert len({night.night for night in joined}) == 4
    assert join_cohorts({"simulated": one}) == one
