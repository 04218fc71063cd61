"""Whether anything that a system is judged on was there when it learnt.

Three things must not lie on both sides of a split: a subject, a night, and a picture of an epoch. Subjects and
nights are told by name. Pictures are told by their bytes: a night that was copied under another name, or a cohort
that holds one recording twice, has other names and the same pictures.

What is alike without being a copy: an epoch in which not one derivation is good (all missing, flat, clipped,
detached) may be drawn exactly as another such epoch of another person, since there is nothing of the person in
it. Such epochs are not compared. An epoch with one good derivation holds noise that no two recordings share.

Names are compared between two datasets only for cohorts that come from one archive. Of `simulated` and
`edf_folder` every folder has an S001 of its own: for those the pictures must tell, which needs both folders.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from somnolens.dataset.manifest import Dataset
from somnolens.dataset.splits import SPLITS
from somnolens.epochs import GOOD
from somnolens.errors import LeakError
from somnolens.model.adapter_card import AdapterCard

LOCAL_COHORTS: Final = ("simulated", "edf_folder")
"""Cohorts whose subjects have names in their own folder only."""

LEARNT: Final = ("train", "validation")
"""Splits that a training looks at."""


@dataclass(frozen=True)
class LeakCheck:
    """What was compared and found apart.

    Parameters
    ----------
    n_subjects, n_nights : int
        Of the side that is judged.
    n_pictures : int
        Of the side that is judged and compared; 0 where pictures were not.
    n_against : int
        Pictures of the other side.
    """

    n_subjects: int
    n_nights: int
    n_pictures: int = 0
    n_against: int = 0


def check_leakage(
    dataset: Dataset,
    split: str,
    card: AdapterCard | None = None,
    others: Sequence[Dataset] = (),
    compare_pictures: bool = True,
) -> LeakCheck:
    """Refuse a split that shares a subject, a night or a picture with what was learnt from.

    Parameters
    ----------
    dataset : Dataset
    split : str
        The split that is judged; against the dataset's other splits.
    card : AdapterCard, optional
        Of the adapter that is judged: against the subjects it learnt from, where names can tell.
    others : sequence of Dataset
        Further datasets that the system learnt from: against their training and validation splits.
    compare_pictures : bool
        Reads every picture of both sides once.

    Raises
    ------
    LeakError
        Naming what lies on both sides.
    """
    if card is not None:
        _check_card(dataset, split, card)
    sides = [(dataset, [other for other in SPLITS if other != split])]
    sides += [(other, list(LEARNT)) for other in others if other.manifest["fingerprint"] != _identify(dataset)]
    for other, splits in sides:
        _check_names(dataset, split, other, splits)
    nights = dataset.nights(split)
    checked = LeakCheck(len(dataset.subjects(split)), len(nights))
    if not compare_pictures:
        return checked
    judged = _index_pictures(dataset, nights)
    n_against = sum(_check_pictures(judged, other, splits) for other, splits in sides)
    return replace(checked, n_pictures=len(judged), n_against=n_against)


def _identify(dataset: Dataset) -> str:
    return dataset.manifest["fingerprint"]


def _check_card(dataset: Dataset, split: str, card: AdapterCard) -> None:
    """Against the subjects that the adapter's card names, where a name means the same person.

    Of the very dataset that it learnt from the splits tell, and they know the cohort of each subject.
    """
    learnt = card.dataset.get("subjects", {})
    same = card.dataset.get("fingerprint") == _identify(dataset)
    shared = {*card.dataset.get("cohorts", ())} & {*dataset.manifest["cohorts"]} - {*LOCAL_COHORTS}
    if same or not shared or split in LEARNT:
        return
    both = sorted({*dataset.subjects(split)} & {name for one in LEARNT for name in learnt.get(one, ())})
    if both:
        raise LeakError(
            f"Subject {both[0]} is in the {split} split of {dataset.folder}, and the adapter learnt from that subject"
            f"{_count_more(both)}. Looked for subjects it has never seen. Measure it on the test split of the dataset "
            "it was trained on, or on other subjects."
        )


def _check_names(dataset: Dataset, split: str, other: Dataset, splits: Iterable[str]) -> None:
    names_tell = other.folder == dataset.folder or bool(
        {*dataset.manifest["cohorts"]} & {*other.manifest["cohorts"]} - {*LOCAL_COHORTS}
    )
    if not names_tell:
        return
    for what, key in (("Subject", "subject"), ("Night", "night")):
        mine = {(row.get("cohort", ""), row[key]) for row in _rows(dataset, [split])}
        both = sorted(mine & {(row.get("cohort", ""), row[key]) for row in _rows(other, splits)})
        if both:
            raise LeakError(
                f"{what} {both[0][1]} is in the {split} split of {dataset.folder} and among the "
                f"{' and '.join(splits)} nights of {other.folder}{_count_more(both)}. Looked for {key}s of one split "
                "only. Build the dataset again into a new folder, or leave those nights out."
            )


def _rows(dataset: Dataset, splits: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    return (row for row in dataset.manifest["nights"] if row["split"] in splits)


def _index_pictures(dataset: Dataset, nights: Iterable[str]) -> dict[bytes, tuple[str, int]]:
    """Night and epoch of every picture that can tell one epoch from another, by its digest."""
    stored = replace(dataset, drawn_anew=None)
    index = {}
    for night in nights:
        told = (stored.read_quality(night) == GOOD).any(axis=1)
        images = stored.read_images(night)
        index |= {_digest(images[epoch]): (night, int(epoch)) for epoch in np.flatnonzero(told)}
    return index


def _check_pictures(judged: Mapping[bytes, tuple[str, int]], other: Dataset, splits: Iterable[str]) -> int:
    """Number of pictures compared with, night by night, so that one night is in memory."""
    n_compared = 0
    for row in _rows(other, splits):
        index = _index_pictures(other, [row["night"]])
        n_compared += len(index)
        for digest in judged.keys() & index.keys():
            (night, epoch), (its_night, its_epoch) = judged[digest], index[digest]
            raise LeakError(
                f"The picture of epoch {epoch} of night {night} is, byte for byte, that of epoch {its_epoch} of night "
                f"{its_night}, which lies in the {row['split']} split of {other.folder}. Looked for epochs on one side "
                "only: one recording under two names is the usual cause. Take one of the two nights out, and build "
                "the dataset again."
            )
    return n_compared


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _count_more(names: Sequence[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""
