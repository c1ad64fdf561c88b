"""Originals and sets for the tests of what is made of them."""

import json

import pipeline
from helpers.pair_files import write_photos
from prepare.originals import Original
from prepare.pairs import write_pairs
from prepare.records.blur import LensBlur, OutputSettings, SetSettings
from prepare.records.data_folder import DataFolder, read_manifest

BLURS = [LensBlur(30), LensBlur(60, blades=6)]
SETTINGS = OutputSettings(size=32)


def originals_of(folder, names, **problems):
    write_photos(folder, names)
    return [
        Original(stem, folder / name, "folder", problem=problems.get(stem, ""))
        for name in names
        for stem in [name.split(".")[0]]
    ]


def sets_of(blurs=BLURS, output=SETTINGS, workers=2, depth_dir=None):
    return SetSettings(blurs, output, workers, depth_dir)


def write(data_dir, originals, num_images=None, blurs=BLURS, workers=1, depth_dir=None, **more):
    """Makes the pairs of some originals; says how many."""
    num_images = len(originals) if num_images is None else num_images
    sets = sets_of(blurs, workers=workers, depth_dir=depth_dir)
    return write_pairs(originals, num_images, DataFolder(data_dir), sets, **more)


def words_of_dataset(data_dir, photos, num_images, *more):
    """The words that make pairs of 32 pixels of a folder of photographs."""
    words = ["dataset", "--data-dir", data_dir, "--num-images", num_images, "--size", 32]
    return [str(word) for word in (*words, "--source", "folder", "--from", photos, *more)]


def dataset(data_dir, photos, num_images, *more):
    """Makes them in this process; the exit code."""
    return pipeline.main(words_of_dataset(data_dir, photos, num_images, *more))


def ids_of(data_dir):
    """Ids of the images of a data folder."""
    return set(read_manifest(data_dir / "manifest.jsonl"))


def reasons_of(data_dir):
    """Why originals were rejected, by id."""
    lines = (data_dir / "rejected.jsonl").read_text(encoding="utf-8").split("\n")
    return {line["id"]: line["reason"] for line in map(json.loads, filter(None, lines))}
