"""`clean-pairs` where folders are links: the links go, and what they lead to stays."""

import pytest
from helpers.pair_files import tree, write_photos

import pipeline
from prepare.records.data_folder import DataFolder


def run(command, data_dir, *more):
    return pipeline.main([command, "--data-dir", str(data_dir), *map(str, more)])


@pytest.fixture
def folder(tmp_path):
    """A data folder in `disk`, to which `data` is a link, of photographs in `photos`."""
    photos = write_photos(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    source = ["--source", "folder", "--from", photos, "--num-images", 3, "--size", 32]
    assert run("dataset", tmp_path / "data", *source, "--radius", 30, 40) == 0
    return tmp_path


def move_behind_link(path, to):
    path.rename(to)
    path.symlink_to(to)


def test_linked_data_folder_loses_its_pairs_alone(folder):
    before = tree(folder / "photos")
    originals = tree(folder / "disk" / "originals")
    assert len(originals) == 3
    assert run("clean-pairs", folder / "data") == 0
    assert tree(folder / "photos") == before
    assert tree(folder / "disk" / "originals") == originals
    assert (folder / "data").is_symlink()
    assert {path.name for path in (folder / "disk").iterdir()} <= {"originals", ".lock"}


@pytest.mark.parametrize("name", ["originals", "blurred_resized", "not_blurred_resized"])
def test_folder_behind_a_link_keeps_what_it_holds(folder, name):
    move_behind_link(folder / "disk" / name, folder / "elsewhere")
    photos, elsewhere = tree(folder / "photos"), tree(folder / "elsewhere")
    assert run("clean-pairs", folder / "data") == 0
    assert tree(folder / "photos") == photos
    assert tree(folder / "elsewhere") == elsewhere
    assert (folder / "disk" / name).is_symlink() == (name == "originals")


def test_linked_set_and_records_keep_what_they_lead_to(folder):
    data = DataFolder(folder / "data")
    move_behind_link(data.blurred / "disc-r40", folder / "elsewhere")
    for number, path in enumerate((data.manifest, data.rejected)):
        move_behind_link(path, folder / "elsewhere" / str(number))
    before = tree(folder / "elsewhere")
    assert run("clean-pairs", folder / "data") == 0
    assert tree(folder / "elsewhere") == before
    assert not data.blurred.exists()
    assert not data.manifest.is_symlink()


def test_photographs_in_the_place_of_the_sharp_folder_stay(folder):
    """Someone linked the photographs themselves there."""
    data = DataFolder(folder / "data")
    for path in data.sharp.iterdir():
        path.unlink()
    data.sharp.rmdir()
    data.sharp.symlink_to(folder / "photos")
    before = tree(folder / "photos")
    assert run("clean-pairs", folder / "data", "--dry-run") == 0
    assert data.sharp.is_symlink()
    assert run("clean-pairs", folder / "data") == 0
    assert tree(folder / "photos") == before
    assert not data.sharp.is_symlink()
