"""Pictures read one by one are those that were written, whatever wrote them and wherever they lie."""

import io
import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

from somnolens.dataset.images import find_images, read_labelled
from somnolens.dataset.manifest import open_dataset
from somnolens.errors import DatasetError
from somnolens.render.png import encode_png
from somnolens.storage import list_names, write_bytes
from tests.object_store import serve_bucket
from tests.small_cohort import build_without_ray, small_settings, write_small_cohort

BLANK = encode_png(np.zeros((4, 4), np.uint8), np.zeros((256, 3), np.uint8))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    settings = small_settings("embedded", "dataset.keep_signals=true")
    return build_without_ray(write_small_cohort(folder / "nights", 4), folder / "dataset", settings)


def copy_dataset(dataset, target, rewrite=lambda content: content):
    for name in list_names(dataset.folder):
        content = (dataset.folder / name).read_bytes()
        write_bytes(target / name, rewrite(content) if name.endswith(".parquet") else content)
    return open_dataset(target)


def compress(content: bytes) -> bytes:
    """As another program may have written it: compressed, in groups of three rows."""
    sink = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(content)), sink, compression="zstd", row_group_size=3)
    return sink.getvalue()


def read_all(dataset, split: str = "train") -> list[bytes]:
    """Scored pictures, night after night, as whole nights are read."""
    scored = [(dataset.read_images(night), dataset.read_stages(night) >= 0) for night in dataset.nights(split)]
    return [image for images, kept in scored for image, keep in zip(images, kept, strict=True) if keep]


def test_pictures_come_from_their_places_in_any_order(dataset):
    labelled, expected = read_labelled(dataset, "train"), read_all(dataset)
    assert len(labelled.images) == len(labelled.codes) == len(expected) == 14
    for place in np.random.default_rng(0).permutation(len(expected)).tolist() * 2:
        assert labelled.images[place] == expected[place]


def test_stages_and_shares_are_those_of_the_nights(dataset):
    labelled = read_labelled(dataset, "train")
    stages = np.concatenate([dataset.read_stages(night) for night in dataset.nights("train")])
    shares = np.concatenate([dataset.read_soft_labels(night) for night in dataset.nights("train")])
    assert (labelled.codes == stages[stages >= 0]).all()
    np.testing.assert_allclose(labelled.soft_labels, shares[stages >= 0])


def test_compressed_shards_in_small_groups_give_the_same_pictures(dataset, tmp_path):
    other = copy_dataset(dataset, tmp_path, compress)
    assert list(read_labelled(other, "train").images) == read_all(dataset)


@pytest.mark.slow
def test_a_store_is_asked_once_for_a_group(dataset):
    with serve_bucket("pictures") as bucket:
        labelled = read_labelled(copy_dataset(dataset, bucket / "dataset"), "train")
        first = [labelled.images[place] for place in range(len(labelled.images))]
        for name in list_names(bucket / "dataset"):
            (bucket / "dataset" / name).unlink()
        assert first == list(labelled.images) == read_all(dataset)


def test_signals_are_drawn_anew_group_by_group(dataset):
    style = small_settings("embedded", "render.preset=paper-336").render
    anew = dataset.draw_anew(style)
    assert list(read_labelled(anew, "train").images) == read_all(anew) != read_all(dataset)


def test_threads_that_ask_at_once_get_the_same(dataset):
    labelled, expected = read_labelled(dataset, "train"), read_all(dataset)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(labelled.images.__getitem__, range(len(expected)))) == expected


def test_a_disk_that_takes_no_more_is_said(dataset, tmp_path):
    other = copy_dataset(dataset, tmp_path, compress)
    images = read_labelled(other, "train").images
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(
            DatasetError, match=r"could not be kept in \S+ \(File too large\)\. Make room there, or set TM"
        ):
            images[0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_picture_is_known_by_its_length_beginning_and_end():
    def put(image: bytes) -> bytes:
        return len(image).to_bytes(4, "little") + image

    stray = BLANK[:20]
    column = b"header" + put(BLANK) + put(BLANK) + stray + put(BLANK) + b"tail"
    found = find_images(column)
    assert [column[start:stop] for start, stop in found] == [BLANK] * 3
    assert len(find_images(put(BLANK)[:-1])) == len(find_images(BLANK)) == len(find_images(b"")) == 0
