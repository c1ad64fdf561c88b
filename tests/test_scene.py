import cv2
import numpy as np
import pytest

from prepare.drawing.palettes import draw_palette
from prepare.drawing.scene import scene
from prepare.drawing.shapes import SHAPES, draw_outline
from prepare.drawing.textures import TEXTURES, TILE_SIDE, draw_texture, smooth_texture


def luma(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def gradient_magnitude(image):
    gray = luma(image)
    return np.hypot(np.diff(gray, axis=1)[:-1], np.diff(gray, axis=0)[:, :-1])


def amplitude_slope(image):
    """Exponent with which the amplitude falls over spatial frequency, fitted from 4 cycles on."""
    gray = luma(image)
    side = len(gray)
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    cycles = np.abs(np.fft.fftfreq(side, 1 / side))
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    at = np.arange(4, side * 3 // 8)
    return np.polyfit(np.log(at), 0.5 * np.log(mean[at]), 1)[0]


@pytest.fixture(scope="module")
def scenes():
    """Scenes of 512 pixels, reduced to 256 as pairs are."""
    drawings = [scene(index, side=512) for index in range(16)]
    return [cv2.resize(each, (256, 256), interpolation=cv2.INTER_AREA) for each in drawings]


@pytest.mark.parametrize("index", [0, 2, 5])
def test_a_smaller_scene_shows_the_same_things(index):
    small = scene(index, side=256)
    large = cv2.resize(scene(index, side=512), (256, 256), interpolation=cv2.INTER_AREA)
    structure = [cv2.GaussianBlur(image, (0, 0), 4).ravel() for image in (small, large)]
    assert np.corrcoef(structure)[0, 1] > 0.95


def test_amplitude_falls_over_frequency_about_as_in_photographs(scenes):
    """Landscapes lie about -0.9 (van der Schaaf and van Hateren 1996), faces near -1.5."""
    slopes = [amplitude_slope(image) for image in scenes]
    assert -1.7 < np.mean(slopes) < -1.1


def test_gradients_are_mostly_faint_and_seldom_steep(scenes):
    gradients = np.array([gradient_magnitude(image) for image in scenes])
    assert 0.15 < (gradients < 2).mean() < 0.5
    assert 0.03 < (gradients > 30).mean() < 0.15
    assert all((each > 30).mean() > 0.003 for each in gradients)  # no scene without edges


def test_no_scene_is_mostly_black_or_blown_out(scenes):
    for image in scenes:
        assert 30 < image.mean() < 220
        assert image.std() > 15


@pytest.mark.parametrize("draw_shape", SHAPES)
def test_every_shape_is_finite_and_turns_up(draw_shape):
    odds = [float(each is draw_shape) for each in SHAPES]
    for seed in range(20):
        outline = draw_outline(np.random.default_rng(seed), odds)
        assert np.isfinite(outline).all()
        assert np.linalg.norm(outline, axis=1).max() == pytest.approx(1)


@pytest.mark.parametrize("texture", [*TEXTURES, smooth_texture, draw_texture])
def test_every_texture_is_a_finite_tile_that_varies(texture):
    for seed in range(3):
        tile = texture(np.random.default_rng(seed))
        assert tile.shape == (TILE_SIDE, TILE_SIDE)
        assert np.isfinite(tile).all()
        assert tile.std() > 0.1


def test_textures_are_centered_and_of_one_strength():
    for seed in range(12):
        tile = draw_texture(np.random.default_rng(seed))
        assert tile.dtype == np.float32
        assert abs(tile.mean()) < 0.2
        assert 0.5 < tile.std() < 1.01


def test_palettes_hold_as_many_colors_as_asked_for():
    palette = draw_palette(np.random.default_rng(0), 9)
    assert palette.shape == (9, 3)
    assert palette.min() >= 0
    assert palette.max() <= 255
