"""Settings and names of blurred sets, and whole pairs against the definition."""

import math
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.color import rgb2xyz

from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.records.blur import LensBlur
from prepare.records.psf import aperture_psf
from prepare.records.ranges import Spread


def photo_of(height: int, seed: int = 0) -> np.ndarray:
    """Smooth light, hard edges and grain in three different channels."""
    y, x = np.mgrid[:height, :height] / height
    picture = np.stack([x, (y > 0.4) * 0.8, np.hypot(x - 0.5, y - 0.5) < 0.3], axis=-1) * 220
    grain = np.random.default_rng(seed).integers(0, 36, picture.shape)
    return (picture + grain).astype(np.uint8)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "disc-r30"),
        ({"radius_px": 0}, "disc-r0"),
        ({"radius_px": 33.5, "blades": 6}, "hexagon-r33.5"),
        ({"linear": True}, "disc-r30-linear"),
        ({"radius_px": (10, 40)}, "disc-r10-40"),
        ({"noise": 2.5, "noise_kind": "uniform"}, "disc-r30-noise2.5-uniform"),
        ({"depth": True, "focus": 128}, "disc-r30-depth-focus128"),
    ],
)
def test_names_of_sets(settings, name):
    assert LensBlur(**settings).name == name


def test_different_settings_have_different_names():
    choices = {
        "radius_px": [30, 3, 0.1, 0.00001, 30.000001, (3, 30), (3, 300)],
        "blades": [0, 6],
        "curvature": [0, 50],
        "rotation": [0, 5],
        "brightness": [0, 5],
        "threshold": [255, 200],
        "noise": [0, 5],
        "noise_kind": ["gaussian", "uniform"],
        "linear": [False, True],
    }
    blurs = {LensBlur(**dict(zip(choices, c, strict=True))) for c in product(*choices.values())}
    assert len({blur.name for blur in blurs}) == len(blurs)
    assert all("/" not in blur.name and " " not in blur.name for blur in blurs)


IDLE = [
    ({"gamma": 2.2}, {}),
    ({"jpeg": 0, "subsampling": True}, {}),
    ({"curvature": 40, "rotation": 10}, {}),
    ({"curvature": 40, "rotation": 10, "vignetting": 30}, {"rotation": 10, "vignetting": 30}),
    ({"brightness": 20}, {}),
    ({"threshold": 200}, {}),
    ({"noise_kind": "photon", "monochromatic": True, "coarseness": 1}, {}),
    (
        {"radius_px": 0, "blades": 6, "curvature": 9, "rotation": 8, "softness": 7, "rim": 6,
         "vignetting": 5, "fringe": 4, "linear": True, "gamma": 2},
        {"radius_px": 0, "linear": True, "gamma": 2},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "same"), IDLE)
def test_settings_that_change_no_picture_are_left_out_and_change_none(settings, same):
    blur, plain = LensBlur(**settings), LensBlur(**same)
    assert blur.simplified == plain == plain.simplified
    one, other = blur_and_reduce(photo_of(256), [blur, plain], 64, "a")
    np.testing.assert_array_equal(one, other)


def test_settings_that_may_change_pictures_stay():
    for settings in (
        {"gamma": Spread([(1.8, 2.4)])},  # drawn: its name may be a set's that is there
        {"gamma": 2.2, "linear": Spread([(0, 0), (1, 1)])},
        {"curvature": 40, "blades": Spread([(0, 0), (6, 6)])},
        {"curvature": 40, "rotation": 10, "blades": 6},
        {"radius_px": 0, "blades": 6, "layers": 2},
        {"radius_px": 0, "blades": 6, "depth": True},
        {"brightness": 20, "threshold": 200},
        {"noise": 1, "noise_kind": "photon", "monochromatic": True, "coarseness": 1},
        {"jpeg": 90, "subsampling": True},
        {"recipe": "wild", "gamma": 2.2},
    ):
        assert LensBlur(**settings).simplified == LensBlur(**settings)


def test_equal_settings_are_equal_however_they_are_written():
    assert LensBlur(30) == LensBlur(30.0) == LensBlur()
    assert LensBlur([10, 40]) == LensBlur((10.0, 40))
    assert LensBlur(-0.0).name == "disc-r0"
    drawn = LensBlur((10, 40), blades=7, depth=True)
    assert LensBlur(**asdict(drawn)) == drawn


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"radius_px": -1}, "radius_px must be a number between 0 and 512 .*, got -1"),
        ({"radius_px": math.nan}, "radius_px .*, got nan"),
        ({"radius_px": (40, 10)}, "radius_px must be a range from low to high, got 40-10"),
        ({"blades": 2}, r"blades must be 0 \(disc\) or 3 to 9, got 2"),
        ({"curvature": 101}, "curvature must be a number between 0 and 100, got 101"),
        ({"threshold": 256}, "threshold must be a number between 0 and 255, got 256"),
        ({"noise_kind": "salt"}, "noise_kind must be gaussian or uniform or photon, got salt"),
        ({"focus": 10}, "focus must be given with --depth"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        LensBlur(**settings)


def test_random_radii_have_two_decimals():
    radii = [LensBlur((10, 40)).sample(f"{number:05d}").radius_px for number in range(200)]
    assert all(radius == round(radius, 2) for radius in radii)
    assert any(radius != round(radius, 1) for radius in radii)


def test_random_radii_depend_on_the_id_alone_and_fill_the_range_evenly():
    blur = LensBlur((10, 40))
    radii = np.array([blur.sample(f"{i:05d}").radius_px for i in range(4000)])
    assert radii.min() >= 10
    assert radii.max() <= 40
    counts, _ = np.histogram(radii, bins=10, range=(10, 40))
    assert abs(counts - 400).max() < 100
    assert (
        LensBlur((10, 40), linear=True).sample("00007").radius_px == blur.sample("00007").radius_px
    )
    assert LensBlur(12.5).sample("00007").radius_px == 12.5


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("blades", [0, 5])
def test_pairs_are_within_one_level_of_the_definition(linear, blades):
    photo = photo_of(128)
    blur = LensBlur(40, blades=blades, linear=linear)
    psf = aperture_psf(40 * 128 / 1024, blur.aperture).astype(np.float64)
    # scikit-image's luminance Y of a grey pixel is its linear light.
    grey = np.repeat(photo[..., None].astype(np.float64) / 255, 3, axis=-1)
    light = rgb2xyz(grey)[..., 1] if linear else photo / 255
    blurred = np.stack([convolve(light[..., c], psf, mode="nearest") for c in range(3)], axis=-1)
    reduced = blurred.reshape(64, 2, 64, 2, 3).mean((1, 3))
    if linear:
        levels = np.linspace(0, 1, 4096)
        table = rgb2xyz(np.repeat(levels[:, None], 3, axis=1))[:, 1]
        reduced = np.interp(reduced, table, levels)
    [ours] = blur_and_reduce(photo, [blur], 64, "00001")
    assert ours.dtype == np.uint8
    assert np.abs(ours - np.rint(reduced * 255)).max() <= 1


@pytest.mark.parametrize("height", [256, 1024, 700])
def test_radius_zero_gives_the_sharp_half(height):
    photo = photo_of(height)
    [ours] = blur_and_reduce(photo, [LensBlur(0)], 256, "00001")
    np.testing.assert_array_equal(ours, reduce_photo(photo, 256))


def test_sharp_half_is_the_block_mean():
    photo = photo_of(512)
    blocks = photo.reshape(128, 4, 128, 4, 3).mean((1, 3))
    assert np.abs(reduce_photo(photo, 128) - blocks).max() <= 0.5


def test_radius_counts_pixels_of_a_1024_pixel_wide_original():
    large = np.kron(photo_of(256), np.ones((2, 2, 1), np.uint8))
    [from_large] = blur_and_reduce(large, [LensBlur(60)], 128, "a")
    [from_small] = blur_and_reduce(photo_of(256), [LensBlur(60)], 128, "a")
    assert np.abs(from_large.astype(int) - from_small).max() <= 2


def test_sets_do_not_depend_on_each_other():
    photo = photo_of(512)
    base = LensBlur((10, 40))
    blurs = [base, LensBlur(60), replace(base, linear=True), replace(base, noise=4)]
    blurs += [LensBlur(30, brightness=50, threshold=200), LensBlur(60, linear=True)]
    together = blur_and_reduce(photo, blurs, 128, "00042")
    alone = [blur_and_reduce(photo, [blur], 128, "00042")[0] for blur in reversed(blurs)]
    for one, other in zip(together, reversed(alone), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_crop_is_blurred_like_its_copy():
    wide = np.concatenate([photo_of(256, 1), photo_of(256, 2)], axis=1)
    crop = wide[:, 100:356]
    for blur in (LensBlur(16), LensBlur(50), LensBlur(50, linear=True)):
        [of_view] = blur_and_reduce(crop, [blur], 64, "a")
        [of_copy] = blur_and_reduce(crop.copy(), [blur], 64, "a")
        np.testing.assert_array_equal(of_view, of_copy)


def test_grain_is_added_after_the_blur_and_seeded_by_the_id():
    photo = np.full((256, 256, 3), 128, np.uint8)
    blur = LensBlur(30, noise=4)
    [first] = blur_and_reduce(photo, [blur], 256, "00001")
    [second] = blur_and_reduce(photo, [blur], 256, "00002")
    assert first.std() == pytest.approx(4 / 100 * 255, rel=0.02)
    assert np.abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


def test_sets_of_one_image_have_grain_of_their_own():
    photo = np.full((256, 256, 3), 128, np.uint8)
    blurs = [LensBlur(30, noise=4), LensBlur(31, noise=4)]
    first, second = blur_and_reduce(photo, blurs, 256, "00001")
    assert np.abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


def test_highlights_become_brighter_than_the_plain_blur_of_them():
    photo = np.full((256, 256, 3), 20, np.uint8)
    photo[120:136, 120:136] = 250
    plain, boosted, none = blur_and_reduce(
        photo,
        [
            LensBlur(80),
            LensBlur(80, brightness=20, threshold=240),
            LensBlur(80, brightness=20, threshold=255),
        ],
        128,
        "a",
    )
    np.testing.assert_array_equal(plain, none)
    gain = (boosted[64, 64].astype(float) - 20) / (plain[64, 64].astype(float) - 20)
    np.testing.assert_allclose(gain, (750 - 20) / (250 - 20), rtol=0.03)
    np.testing.assert_array_equal(boosted[:30], plain[:30])


def test_wrong_pictures_are_refused():
    with pytest.raises(ValueError, match="00003: expected a square 8-bit RGB photograph"):
        blur_and_reduce(np.zeros((4, 5, 3), np.uint8), [LensBlur()], 4, "00003")
    with pytest.raises(ValueError, match=r"00003: expected a depth map of \(8, 8\), got none"):
        blur_and_reduce(np.zeros((8, 8, 3), np.uint8), [LensBlur(depth=True)], 4, "00003")
