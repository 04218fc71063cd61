"""Train, validation and test: by subject, before anything is drawn or sampled."""

from collections.abc import Iterable, Mapping

import numpy as np

from somnolens.errors import DatasetError, SettingsError

SPLITS = ("train", "validation", "test")


def split_subjects(subjects: Iterable[str], validation_share: float, test_share: float, seed: int) -> dict[str, str]:
    """Assign each subject to one split.

    A share above 0 gets at least one subject where there are three or more.

    Raises
    ------
    SettingsError
        Where the two shares ask for more subjects than there are.

    Examples
    --------
    >>> splits = split_subjects([f"S{n}" for n in range(12)], 0.17, 0.25, seed=7)
    >>> [list(splits.values()).count(split) for split in SPLITS]
    [7, 2, 3]
    """
    names = sorted(set(subjects))
    order = np.random.default_rng(seed).permutation(len(names))
    least = 1 if len(names) >= 3 else 0
    n_test = max(round(test_share * len(names)), least if test_share else 0)
    n_validation = max(round(validation_share * len(names)), least if validation_share else 0)
    if n_test + n_validation > len(names):
        raise SettingsError(
            f"dataset.test_share = {test_share} and dataset.validation_share = {validation_share} ask for "
            f"{n_test} and {n_validation} of {len(names)} subjects. Lower them, or add subjects."
        )
    labels = ["test"] * n_test + ["validation"] * n_validation
    labels += ["train"] * (len(names) - len(labels))
    return {names[place]: label for place, label in zip(order, labels, strict=True)}


def check_splits(rows: Iterable[Mapping[str, str]]) -> None:
    """Refuse a dataset in which a subject stands in two splits, or a night twice.

    Parameters
    ----------
    rows : iterable of mapping
        With `subject`, `night` and `split`.

    Raises
    ------
    DatasetError
    """
    splits: dict[str, str] = {}
    nights: set[str] = set()
    for row in rows:
        if splits.setdefault(row["subject"], row["split"]) != row["split"]:
            raise DatasetError(
                f"Subject {row['subject']} is in the {splits[row['subject']]} and in the {row['split']} split. "
                "Build the dataset again into a new folder."
            )
        if row["night"] in nights:
            raise DatasetError(f"Night {row['night']} stands twice in the dataset. Build it again into a new folder.")
        nights.add(row["night"])
