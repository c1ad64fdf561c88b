"""No photograph stands on both sides of the split, whatever it is called."""

import shutil

import pytest
from helpers.pair_files import read_lines, tree, write_photos

import pipeline
from prepare.doubles import SplitKeeper, doubled_ids
from prepare.records.data_folder import (
    DataFolder,
    ImageRecord,
    read_manifest,
    split_of,
)

TRAIN = [f"face{i}" for i in range(40) if split_of(f"face{i}") == "train"]
TEST = [f"face{i}" for i in range(40) if split_of(f"face{i}") == "test"]


def image(image_id, sha256="a"):
    return ImageRecord(image_id, split_of(image_id), "folder", sha256, 64, 64)


def run(*words):
    return pipeline.main([*map(str, words)])


def dataset(data_dir, photos, num_images, *more):
    source = ["--source", "folder", "--from", photos, "--size", 32, "--radius", 30]
    return run("dataset", "--data-dir", data_dir, "--num-images", num_images, *source, *more)


@pytest.fixture
def photos(tmp_path):
    """Ten photographs; the first has a copy on its own side of the split and one on the other."""
    folder = write_photos(tmp_path / "photos", [f"{i}.png" for i in [*TRAIN[:6], *TEST[:4]]])
    first = min(TRAIN[:6])
    same = next(name for name in (f"z{i}" for i in range(40)) if split_of(name) == "train")
    other = next(name for name in (f"z{i}" for i in range(40)) if split_of(name) == "test")
    for name in (same, other):
        shutil.copy(folder / f"{first}.png", folder / f"{name}.png")
    return folder, first, same, other


@pytest.mark.parametrize("workers", [1, 4])
def test_copy_on_the_other_side_is_listed_and_another_photograph_takes_its_place(
    photos, tmp_path, workers
):
    folder, first, same, other = photos
    assert dataset(tmp_path / "data", folder, 11, "--workers", workers) == 0
    data = DataFolder(tmp_path / "data")
    ids = set(read_manifest(data.manifest))
    assert ids == {path.stem for path in folder.iterdir()} - {other}
    assert {first, same} <= ids  # on one side it does no harm
    reason = f"same bytes as {first}, which is on the other side of the split"
    file = str(folder / f"{other}.png")
    assert read_lines(data.rejected) == [{"id": other, "file": file, "reason": reason}]
    assert not data.sharp_path(other).exists()


def test_image_that_changed_gives_its_old_bytes_free():
    known = image(TRAIN[0], "old")
    keeper = SplitKeeper([known])
    assert keeper.claim(image(TRAIN[0], "new"), known) is None
    assert keeper.claim(image(TEST[0], "old"), None) is None
    assert keeper.claim(image(TEST[1], "new"), None) == TRAIN[0]
    assert SplitKeeper([known]).claim(image(TEST[0], "old"), None) == TRAIN[0]


def test_doubles_of_an_older_data_folder_are_removed_and_replaced(photos, tmp_path, capsys):
    folder, first, _, other = photos
    data = DataFolder(tmp_path / "data")
    pixels = write_photos(tmp_path / "other", ["x.png"]) / "x.png"
    copy = (folder / f"{other}.png").replace(tmp_path / "copy.png")
    pixels.replace(folder / f"{other}.png")
    assert dataset(data.path, folder, 12) == 0
    # As an older version left it: the copy in the manifest, with the bytes of the first.
    images = read_manifest(data.manifest)
    text = data.manifest.read_text().replace(images[other].sha256, images[first].sha256)
    data.manifest.write_text(text)
    copy.replace(folder / f"{other}.png")
    assert set(doubled_ids(read_manifest(data.manifest))) == {other}
    before = tree(data.path)
    assert dataset(data.path, folder, 12, "--dry-run") == 0
    assert "1 images stand on both sides of the split" in capsys.readouterr().out
    assert tree(data.path) == before
    assert dataset(data.path, folder, 11) == 0
    assert other not in read_manifest(data.manifest)
    assert not list(data.path.rglob(f"{other}.jpg"))
    [line] = read_lines(data.rejected)
    assert (line["id"], line["reason"].split(",")[0]) == (other, f"same bytes as {first}")
    assert doubled_ids(read_manifest(data.manifest)) == {}


def test_blur_keeps_what_is_there(photos, tmp_path):
    folder, *_ = photos
    assert dataset(tmp_path / "data", folder, 11) == 0
    assert run("blur", "--data-dir", tmp_path / "data", "--radius", 12, "--size", 32) == 0
    assert len(list((tmp_path / "data/blurred_resized/disc-r12").glob("*.jpg"))) == 11
