"""Leaks: a subject, a night or a picture on both sides of a split ends an evaluation."""

from dataclasses import replace
from pathlib import Path

import pytest

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset
from somnolens.errors import DatasetError, LeakError
from somnolens.evaluate.leakage import check_leakage
from somnolens.model.adapter_card import AdapterCard
from tests.dataset.shards import write_shard
from tests.small_cohort import N_EPOCHS


def change(dataset: Dataset, **manifest) -> Dataset:
    return replace(dataset, manifest=dataset.manifest | manifest)


def make_card(dataset: Dataset, **known) -> AdapterCard:
    about = {key: dataset.manifest[key] for key in ("cohorts", "fingerprint", "subjects")} | known
    return AdapterCard(Settings().model_dump(mode="json"), [], "0" * 12, {}, about)


def test_a_split_that_shares_nothing_is_told_with_what_was_compared(small_dataset):
    checked = check_leakage(small_dataset, "test", make_card(small_dataset))
    assert (checked.n_subjects, checked.n_nights) == (1, 1)
    assert (checked.n_pictures, checked.n_against) == (N_EPOCHS, 4 * N_EPOCHS)
    assert check_leakage(small_dataset, "test", compare_pictures=False).n_pictures == 0


def test_a_subject_on_both_sides_is_refused(small_dataset):
    rows = small_dataset.manifest["nights"]
    learnt = next(row for row in rows if row["split"] == "train")
    leaking = [row | {"subject": learnt["subject"]} if row["split"] == "test" else row for row in rows]
    with pytest.raises(LeakError, match=rf"Subject {learnt['subject']} is in the test split .*of one split only"):
        check_leakage(change(small_dataset, nights=leaking), "test")


def test_a_night_on_both_sides_is_refused(small_dataset):
    rows = small_dataset.manifest["nights"]
    learnt = next(row for row in rows if row["split"] == "train")
    leaking = [row | {"night": learnt["night"]} if row["split"] == "test" else row for row in rows]
    with pytest.raises(LeakError, match=rf"Night {learnt['night']} is in the test split"):
        check_leakage(change(small_dataset, nights=leaking), "test")


def write_alike(folder: Path, words: list[str]) -> Dataset:
    """Two nights of equal pictures, one to learn from and one to be tested on."""
    rows = []
    for name, split in (("a", "train"), ("b", "test")):
        write_shard(folder, ("isruc", name, name, split), ["W", "N2", "R"], words)
        rows.append({"night": name, "subject": name, "split": split})
    return Dataset(folder, {"cohorts": ["isruc"], "nights": rows, "fingerprint": "f" * 12})


def test_one_recording_under_two_names_is_found_by_its_pictures(tmp_path):
    dataset = write_alike(tmp_path, ["good", "missing"])
    with pytest.raises(LeakError, match=r"The picture of epoch (\d) of night b is, byte for byte, that of epoch \1 of"):
        check_leakage(dataset, "test")


@pytest.mark.parametrize("words", [["flat", "missing"], ["detached", "clipped"], ["not a number", "missing"]])
def test_epochs_without_a_good_signal_may_look_alike(tmp_path, words):
    """They tell of nobody."""
    checked = check_leakage(write_alike(tmp_path, words), "test")
    assert (checked.n_nights, checked.n_pictures) == (1, 0)


def test_a_subject_that_the_adapter_learnt_from_in_another_dataset_is_refused(small_dataset):
    tested, real = small_dataset.subjects("test"), change(small_dataset, cohorts=["isruc"])
    card = make_card(real, fingerprint="another", subjects={"train": tested})
    with pytest.raises(LeakError, match=rf"Subject {tested[0]} .* and the adapter learnt from that subject"):
        check_leakage(real, "test", card, compare_pictures=False)


def test_names_of_simulated_subjects_tell_nothing_between_datasets(small_dataset):
    card = make_card(small_dataset, fingerprint="another", subjects={"train": small_dataset.subjects("test")})
    assert check_leakage(small_dataset, "test", card, compare_pictures=False).n_subjects == 1


def test_a_dataset_that_was_learnt_from_is_looked_through(small_dataset, tmp_path):
    """The same nights in another folder, where the test night is one to learn from."""
    rows = small_dataset.manifest["nights"]
    learnt = [row | {"lies_in": row["split"], "split": "train"} for row in rows]
    other = change(small_dataset, nights=learnt, fingerprint="another")
    with pytest.raises(LeakError, match="byte for byte"):
        check_leakage(small_dataset, "test", others=[replace(other, folder=_link(small_dataset, tmp_path))])


def _link(dataset: Dataset, folder):
    (folder / "linked").symlink_to(dataset.folder, target_is_directory=True)
    return folder / "linked"


def test_a_leak_is_an_error_of_a_dataset():
    assert issubclass(LeakError, DatasetError)
    assert LeakError("x").kind == "Leak"
