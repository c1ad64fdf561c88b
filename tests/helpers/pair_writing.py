"""Originals and sets for the tests of what is made of them."""

from helpers.pair_files import write_photos
from prepare.originals import Original
from prepare.pairs import write_pairs
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.sets import SetSettings

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


def write(data_dir, originals, num_images=None, blurs=BLURS, workers=2, depth_dir=None, **more):
    num_images = len(originals) if num_images is None else num_images
    sets = sets_of(blurs, workers=workers, depth_dir=depth_dir)
    return write_pairs(originals, num_images, DataFolder(data_dir), sets, **more)
