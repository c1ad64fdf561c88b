"""Originals: the user's own photographs, drawn ones, and those at hand for further sets."""

import errno
import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.pair_files import photo_u8, tree, write_photos
from helpers.pair_writing import dataset, ids_of, reasons_of
from PIL import Image as PillowImage

import pipeline
from prepare import PrepareError
from prepare.ffhq.metadata import FfhqSettings
from prepare.originals import (
    OwnPhotographs,
    photographs_in,
    with_ids,
)
from prepare.records.data_folder import DataFolder, ImageRecord, read_manifest
from prepare.sources import (
    SourceSettings,
    check_same_source,
    originals_at_hand,
    originals_from,
    sample_originals,
)


def offered(folders, data_dir, num_images):
    wanted = SourceSettings("folder", num_images, folders, True, 0, FfhqSettings())
    data = DataFolder(data_dir)
    return list(originals_from(wanted, data, (), OwnPhotographs(wanted.photographs, data)))


def images_of(**sources):
    return {
        image_id: ImageRecord(image_id, "train", source, "0" * 64, 64, 64)
        for image_id, source in sources.items()
    }


def refused(*_):
    """In the place of os.symlink, as on a file system without links."""
    raise OSError(errno.EPERM, "Operation not permitted")


# Which photographs there are.


def test_photographs_are_found_in_subfolders_in_order_of_path(tmp_path):
    write_photos(tmp_path / "sub", ["a.png"])
    write_photos(tmp_path, ["c.PNG", "b.jpeg", "d.tiff", ".hidden.png"])
    (tmp_path / "notes.txt").write_text("no photograph")
    names = ["b.jpeg", "c.PNG", "d.tiff", "sub/a.png"]
    assert [str(path.relative_to(tmp_path)) for path in photographs_in([tmp_path])] == names


def test_folder_below_that_cannot_be_read_is_named_and_the_rest_is_made(
    tmp_path, monkeypatch, capsys
):
    photos = write_photos(tmp_path / "photos", ["a.png", "b.png"])
    write_photos(photos / "closed", ["c.png"])
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert dataset(tmp_path / "data", photos, 2) == 0
    assert ids_of(tmp_path / "data") == {"a", "b"}
    assert f"{photos / 'closed'} cannot be read (Permission denied)" in capsys.readouterr().out


@pytest.mark.parametrize("num_images", [2, 3])
def test_folder_that_is_not_there_is_an_error_though_there_are_enough_pairs(
    tmp_path, photos, num_images, capsys
):
    assert dataset(tmp_path / "data", photos, 2) == 0
    assert dataset(tmp_path / "data", tmp_path / "typo", num_images) == 1
    assert capsys.readouterr().err.startswith(f"error: --from {tmp_path / 'typo'}: no such folder")
    (tmp_path / "empty").mkdir()
    assert dataset(tmp_path / "data", tmp_path / "empty", num_images) == 1
    assert "no photographs there (looked for .avif" in capsys.readouterr().err
    assert pipeline.main(["dataset", "--num-images", "2", "--source", "folder"]) == 1
    assert "SOURCE=folder needs FROM=" in capsys.readouterr().err


def test_photographs_of_another_folder_are_added_to_those_that_are_there(tmp_path, photos, capsys):
    other = write_photos(tmp_path / "other", ["x.png", "y.png", "z.png"])
    assert dataset(tmp_path / "data", photos, 5) == 0
    assert dataset(tmp_path / "data", other, 7) == 0
    assert ids_of(tmp_path / "data") == {"00", "01", "02", "03", "04", "x", "y"}
    assert dataset(tmp_path / "data", other, 9) == 1
    assert "holds 3 photographs, and 7 pairs are there; add some, or ask for N=8" in (
        capsys.readouterr().err
    )


# Ids.


@pytest.mark.parametrize(
    ("names", "known_ids", "expected"),
    [
        ("100/a.jpg 100/b.jpg 101/a.jpg 101/c.jpg", "", ["a", "b", "101-a", "c"]),
        ("24/x/a.png 25/x/a.png 26/x/A.png x-a.png", "", ["a", "x-a", "26-x-A", "taken by 25/x/a"]),
        ("p/a.jpg p/a.png p/A.png", "", ["a", "taken by p/a.jpg", "differs from a only"]),
        # Where a disk does not tell case, the pictures of FACE would replace those of face.
        ("p/FACE.png p/face.png", "face", ["differs from face only", "face"]),
        ("p/FACE.png", "face", ["differs from face only"]),
        ("p/FACE.png q/face.png", "face", ["p-FACE", "face"]),
    ],
)
def test_ids_are_names_and_none_is_given_twice(names, known_ids, expected):
    originals = with_ids([Path(name) for name in names.split()], {}, known_ids.split())
    for original, part in zip(originals, expected, strict=True):
        assert part in original.problem if " " in part else part == original.id
        assert not original.problem or original.problem.endswith("; rename one of them")


@pytest.mark.parametrize("links", [True, False])
def test_a_folder_that_sorts_earlier_takes_no_id_away(tmp_path, monkeypatch, links, capsys):
    if not links:
        monkeypatch.setattr(os, "symlink", refused)
    write_photos(tmp_path / "photos" / "b", ["1.png", "2.png"])
    assert dataset(tmp_path / "data", tmp_path / "photos", 2) == 0
    before = read_manifest(tmp_path / "data" / "manifest.jsonl")
    write_photos(tmp_path / "photos" / "a", ["2.png", "3.png"], height=96)
    for num_to_make in (2, 0):
        assert dataset(tmp_path / "data", tmp_path / "photos", 4) == 0
        assert f"{4 - num_to_make} pairs are there, {num_to_make}" in capsys.readouterr().out
    after = read_manifest(tmp_path / "data" / "manifest.jsonl")
    assert after.items() >= before.items()
    assert after.keys() == {"1", "2", "3", "a-2"}
    assert reasons_of(tmp_path / "data") == {}
    assert pipeline.main(["blur", "--data-dir", f"{tmp_path}/data", "--size=32", "--radius=9"]) == 0


# Links.


def test_photographs_are_linked_never_copied_or_changed(tmp_path, monkeypatch):
    folder = write_photos(tmp_path / "photos", ["b.png", "a.jpg"])
    before = tree(folder)
    monkeypatch.chdir(folder)
    originals = offered([Path("..", "photos")], tmp_path / "data", 2)
    monkeypatch.chdir(tmp_path)
    assert [(each.id, each.source, each.problem) for each in originals] == [
        ("a", "folder", ""),
        ("b", "folder", ""),
    ]
    for each in originals:
        assert each.path.is_symlink()
        assert each.path.resolve() == folder / each.path.name
    shutil.rmtree(tmp_path / "data")
    assert tree(folder) == before


def test_where_links_cannot_be_photographs_are_copied(tmp_path, photos, monkeypatch, capsys):
    monkeypatch.setattr(os, "symlink", refused)
    os.mkfifo(photos / "0.png")
    data = DataFolder(tmp_path / "data")
    assert dataset(data.path, photos, 3) == 0
    assert ids_of(data.path) == {"00", "01", "02"}
    assert reasons_of(data.path) == {"0": "cannot be opened (no regular file)"}
    copies = data.originals / "folder"
    assert tree(copies) == {f"0{i}.png": (photos / f"0{i}.png").read_bytes() for i in range(3)}
    assert dataset(data.path, photos, 3) == 0
    assert "3 pairs are there, 0 to make" in capsys.readouterr().out
    PillowImage.fromarray(photo_u8(99)).save(photos / "01.png")
    assert dataset(data.path, photos, 3) == 0
    assert "2 pairs are there, 1 to make" in capsys.readouterr().out
    assert (copies / "01.png").read_bytes() == (photos / "01.png").read_bytes()
    (copies / "02.png").write_bytes(b"the user's")
    PillowImage.fromarray(photo_u8(98)).save(photos / "02.png")
    assert dataset(data.path, photos, 3) == 1
    assert "02.png" in capsys.readouterr().err
    assert (copies / "02.png").read_bytes() == b"the user's"


# Photographs that changed.


@pytest.fixture
def made(tmp_path):
    """A data folder of four photographs, and their folder."""
    photos = write_photos(tmp_path / "photos", [f"0{number}.bmp" for number in range(4)])
    data = DataFolder(tmp_path / "data")
    assert dataset(data.path, photos, 4) == 0
    return data, photos


@pytest.mark.parametrize("case", ["at once", "clock ahead", "copied", "copied without states"])
def test_an_edited_photograph_is_made_again_whatever_the_clocks_say(made, tmp_path, case, capsys):
    data, photos = made
    if case == "clock ahead":
        for path in data.path.rglob("*.jpg"):
            os.utime(path, (4e9, 4e9))
    edited, before = photos / "01.bmp", (photos / "01.bmp").stat()
    PillowImage.fromarray(photo_u8(99)).save(edited)
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert edited.stat().st_size == before.st_size
    if case.startswith("copied"):
        shutil.copytree(data.path, tmp_path / "copy", symlinks=True, copy_function=shutil.copyfile)
        data = DataFolder(tmp_path / "copy")
    if case == "copied without states":
        (data.path / ".photographs.jsonl").unlink()
    assert dataset(data.path, photos, 4) == 0
    assert "3 pairs are there, 1 to make" in capsys.readouterr().out
    assert dataset(tmp_path / "fresh", photos, 4) == 0
    for folder in ("not_blurred_resized", "blurred_resized"):
        assert tree(data.path / folder) == tree(tmp_path / "fresh" / folder)


def test_photographs_are_read_again_only_where_their_state_changed(made, monkeypatch):
    data, photos = made
    read = []
    monkeypatch.setattr("prepare.originals.sha256_of", lambda path: read.append(path.name) or "")
    assert dataset(data.path, photos, 4) == 0
    assert read == []
    os.utime(photos / "02.bmp")
    assert dataset(data.path, photos, 4, "--dry-run") == 0
    assert read == ["02.bmp"]


def test_photographs_that_moved_are_linked_again(made, tmp_path, capsys):
    data, photos = made
    moved = photos.rename(tmp_path / "moved")
    (moved / "02.bmp").rename(moved / "02.BMP")
    assert dataset(data.path, moved, 4, "--dry-run") == 0
    links = data.originals / "folder"
    assert not (links / "00.bmp").exists()
    assert dataset(data.path, moved, 4) == 0
    assert "4 pairs are there, 0 to make" in capsys.readouterr().out
    assert {path.name for path in links.iterdir()} == {"00.bmp", "01.bmp", "02.BMP", "03.bmp"}
    assert all(path.resolve().parent == moved for path in links.iterdir())


# Drawn pictures, and originals at hand.


def test_samples_go_on_after_those_that_are_there_and_are_drawn_when_asked_for(
    tmp_path, monkeypatch
):
    drawn = []

    def draw(*index_and_seed):
        drawn.append(index_and_seed)
        return photo_u8(0)

    monkeypatch.setattr("prepare.sources.sample_picture", draw)
    done_ids = {"sample-5-00000", "sample-5-00002"}
    originals = list(itertools.islice(sample_originals(tmp_path, 5, done_ids), 3))
    assert [each.id for each in originals] == [f"sample-5-0000{index}" for index in (1, 3, 4)]
    assert drawn == []
    originals[0].path.write_bytes(b"as it is")
    for original in originals[:2]:
        original.materialize()
    assert drawn == [(3, 5)]
    assert originals[0].path.read_bytes() == b"as it is"
    with PillowImage.open(originals[1].path) as image:
        assert (np.asarray(image) == photo_u8(0)).all()


def test_kinds_of_image_do_not_mix(tmp_path):
    images = images_of(a="folder", b="folder")
    check_same_source(images, tmp_path, "folder")
    with pytest.raises(PrepareError, match=r"images from folder, now asked for sample"):
        check_same_source(images, tmp_path, "sample")
    check_same_source({}, tmp_path, "sample")
    # Both carry the same photographs.
    check_same_source(images_of(a="drive", b="mirror"), tmp_path, "ffhq")


def test_originals_at_hand_are_those_of_the_manifest(tmp_path):
    write_photos(tmp_path / "folder", ["a.png", "b.JPG", "c.png", "stranger.png"])
    images = images_of(a="folder", b="folder", c="folder", gone="folder")
    at_hand = originals_at_hand(tmp_path, images, {"c"})
    problems = {each.id: each.problem for each in at_hand}
    assert problems == {"a": "", "b": "", "gone": "the original is missing"}
    assert at_hand[0].path == tmp_path / "folder" / "a.png"
    write_photos(tmp_path / "ffhq" / "images1024x1024", ["a.png"])
    [fetched] = originals_at_hand(tmp_path, images_of(a="drive"), ())
    assert fetched.path == tmp_path / "ffhq" / "images1024x1024" / "a.png"
