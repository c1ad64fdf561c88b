"""A range of radii: each image has one of its own, of 0.01 pixels, which is recorded and used."""

import json

import numpy as np
from helpers.pair_files import photo_u8, write_photos

from prepare.blur.lens_blur import blur_and_reduce
from prepare.originals import Original
from prepare.pairs import write_pairs
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.sets import SetSettings

BLUR = LensBlur((100, 200))


def test_radii_that_were_drawn_are_recorded_to_0_01_pixels(tmp_path):
    names = [f"{index:02d}.png" for index in range(5)]
    folder = write_photos(tmp_path / "photos", names, height=32)
    originals = [Original(name[:2], folder / name, "folder") for name in reversed(names)]
    sets = SetSettings([BLUR], OutputSettings(size=16), 2, None)
    assert write_pairs(originals, 5, DataFolder(tmp_path), sets) == 5
    text = (tmp_path / "blurred_resized" / "disc-r100-200" / "manifest.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["id"] for line in lines] == [name[:2] for name in names]
    radii = [line["radius_px"] for line in lines]
    assert len(set(radii)) == 5
    for radius_px in radii:
        assert 100 <= radius_px <= 200
        assert len(f"{radius_px!r}".partition(".")[2]) <= 2


def test_the_radius_that_is_recorded_is_the_one_that_blurred():
    photo = photo_u8(0, 256)
    for image_id in ("00000", "00001", "a face"):
        [drawn] = blur_and_reduce(photo, [BLUR], 64, image_id)
        [told] = blur_and_reduce(photo, [LensBlur(BLUR.sample(image_id).radius_px)], 64, image_id)
        np.testing.assert_array_equal(drawn, told)
    [other] = blur_and_reduce(photo, [LensBlur(BLUR.sample("00000").radius_px + 20)], 64, "00000")
    [drawn] = blur_and_reduce(photo, [BLUR], 64, "00000")
    assert np.abs(other.astype(int) - drawn).max() > 0
