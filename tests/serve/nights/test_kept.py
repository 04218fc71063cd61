"""What is kept of a scored night, where it cannot be read."""

import pytest

from somnolens.serve.nights.kept import Shelf
from somnolens.serve.nights.store import SCORED, NightStore, UnknownNightError


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (None, "was deleted meanwhile"),
        (b'{"hypnogram": {"labels": ["W"]}}', "was kept by another version of the service"),
        (b"[]", "was kept by another version of the service"),
        (b'{"hypnogram"', "was kept by another version of the service"),
    ],
)
def test_a_night_of_another_shape_is_said_to_be_none(tmp_path, written, sentence):
    store = NightStore(tmp_path, keep_h=1.0, most_nights=2)
    id = store.begin("us", keep=True).id
    if written:
        store.write(id, SCORED, written)
    with pytest.raises(UnknownNightError, match=sentence):
        Shelf(store).take(id)
