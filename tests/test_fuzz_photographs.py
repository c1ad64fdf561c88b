"""Photographs after any damage: pixels or a reason, little memory, nothing else touched."""

import resource
import shutil

import keras
import numpy as np
import pytest
from helpers.engines import engine_of
from helpers.fuzz import damaged_photograph, fuzzed, no_hang
from helpers.pair_files import read_lines, tree, write_photos
from helpers.photographs import KEEP, one_of_each_kind, photographs_with_colors
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pipeline
from prepare.photographs.photograph import Photograph, UnusablePhotograph
from prepare.photographs.reader import DATASET_PIXELS, read_photograph
from train.restore.photographs import NothingRestoredError, deblur, plan

FILES = one_of_each_kind() | photographs_with_colors()
MOST_GROWTH_BYTES = 12 * DATASET_PIXELS  # the largest picture of 16 bits, and a copy of it


def peak_bytes():
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", FILES)
@fuzzed(10)
@given(data=st.data())
def test_damaged_photograph_is_pixels_or_a_reason(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / "photograph"
    path.write_bytes(data.draw(damaged_photograph(FILES[name])))
    before = peak_bytes()
    for options in ({}, KEEP | {"max_pixels": DATASET_PIXELS}):
        try:
            with no_hang():
                photograph = read_photograph(path, **options)
        except UnusablePhotograph as error:
            reason = str(error)
        else:
            reason = "none"
            assert isinstance(photograph, Photograph)
            assert photograph.pixels.dtype in (np.uint8, np.uint16)
        assert "\n" not in reason
    assert peak_bytes() - before < MOST_GROWTH_BYTES


@st.composite
def folders_of_damage(draw):
    """Some damaged photographs, by their names."""
    names = draw(st.lists(st.sampled_from(sorted(FILES)), min_size=1, max_size=8, unique=True))
    return {f"{name}.jpg": draw(damaged_photograph(FILES[name])) for name in names}


def write_all(folder, contents):
    write_photos(folder, ["whole.png", "whole too.png"])
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tree(folder)


@fuzzed(6)
@given(contents=folders_of_damage())
def test_damaged_photographs_are_pairs_or_listed(tmp_path_factory, capsys, contents):
    folder = tmp_path_factory.mktemp("folder")
    before = write_all(folder / "photos", contents)
    words = ["dataset", "--source", "folder", "--from", folder / "photos", "--size", 32]
    words += ["--num-images", len(before), "--data-dir", folder / "data"]
    with no_hang():
        code = pipeline.main([str(word) for word in words])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    listed = {line["id"] for line in read_lines(folder / "data" / "rejected.jsonl")}
    assert (code, len(errors)) == ((1, 1) if listed else (0, 0))
    made = {line["id"] for line in read_lines(folder / "data" / "manifest.jsonl")}
    assert {"whole", "whole too"} <= made
    assert {f"{stem}.jpg" for stem in made | listed} >= contents.keys()
    assert tree(folder / "photos") == before
    assert {entry.name for entry in folder.iterdir()} == {"photos", "data"}
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def engine():
    """One that changes little."""
    picture = keras.Input((None, None, 3))
    same = keras.layers.Activation("relu")(picture)
    return engine_of(keras.Model(picture, same, name="residual"))


@fuzzed(6)
@given(contents=folders_of_damage())
def test_damaged_photographs_are_restored_or_named(tmp_path_factory, capsys, engine, contents):
    folder = tmp_path_factory.mktemp("folder")
    before = write_all(folder / "photos", contents)
    targets = plan([folder / "photos"], folder / "out", compare=True)
    num_failed = 0
    try:
        with no_hang():
            deblur(engine, targets)
    except NothingRestoredError:
        num_failed = capsys.readouterr().out.count("cannot be read")
        assert num_failed
    for target in targets:
        if target.result.exists():
            with Image.open(target.result) as image:
                image.load()
    assert len(list((folder / "out").iterdir())) == 2 * (len(targets) - num_failed)
    assert tree(folder / "photos") == before
    assert {entry.name for entry in folder.iterdir()} == {"photos", "out"}
    shutil.rmtree(folder)
