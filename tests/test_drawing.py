"""Drawn pictures: what holds for every one, for portraits, and for scenes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from prepare.drawing.backdrops import BACKDROPS
from prepare.drawing.face import BEARDS, HAIR_STYLES, random_face
from prepare.drawing.hair import HairShell, draw_beard, draw_hair
from prepare.drawing.head import draw_head
from prepare.drawing.portrait import portrait
from prepare.drawing.sample import sample_picture
from prepare.drawing.scene import random_palette, scene
from prepare.drawing.textures import TEXTURES, TILE_SIDE, random_texture, smooth_texture
from prepare.drawing.things import SHAPES, random_outline

every_kind = pytest.mark.parametrize("draw", [portrait, scene, sample_picture])


@every_kind
def test_pictures_are_the_same_from_any_number_of_workers(draw):
    alone = [draw(index, side=64) for index in range(4)]
    with ThreadPoolExecutor(4) as workers:
        together = list(workers.map(lambda index: draw(index, side=64), range(4)))
    np.testing.assert_array_equal(alone, together)


@every_kind
def test_picture_does_not_depend_on_the_threads_of_opencv(draw):
    num_threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        single = draw(3, side=512)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(draw(3, side=512), single)
    finally:
        cv2.setNumThreads(num_threads)


@every_kind
def test_pictures_differ_between_indexes_and_seeds(draw):
    base = draw(0, seed=0, side=128).astype(float)
    for index, seed in ((1, 0), (0, 1), (1, 1)):
        assert np.abs(base - draw(index, seed=seed, side=128)).mean() > 10


@every_kind
@pytest.mark.parametrize("side", [64, 256])
def test_shape_and_type(draw, side):
    image = draw(5, side=side)
    assert image.shape == (side, side, 3)
    assert image.dtype == np.uint8


@every_kind
@pytest.mark.parametrize("side", [62, 101])
def test_rejects_sides_it_cannot_draw(draw, side):
    with pytest.raises(ValueError, match=str(side)):
        draw(0, side=side)


def test_every_third_sample_is_a_scene():
    for index in range(6):
        expected = (portrait, portrait, scene)[index % 3](index, 4, 64)
        assert np.abs(sample_picture(index, 4, 64) - expected.astype(float)).mean() < 12


def test_most_samples_are_softer_than_they_were_drawn_and_some_are_not():
    unlike = []
    for index in (0, 1, 3, 4, 6, 7):
        as_drawn, picture = (draw(index, 0, 512) for draw in (portrait, sample_picture))
        if not np.array_equal(picture, as_drawn):
            # Reduced, so that what counts is not the grain.
            sharp, soft = (
                cv2.resize(each, (128, 128), interpolation=cv2.INTER_AREA)
                for each in (as_drawn, picture)
            )
            edges = [
                np.percentile(np.abs(cv2.Laplacian(each, cv2.CV_32F)), 98) for each in (soft, sharp)
            ]
            assert edges[0] < edges[1]
            unlike.append(index)
    assert 2 < len(unlike) < 6


# Portraits.


def high_frequency_energy(image):
    """Mean squared response of the Laplacian, which a smooth image does not excite."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.mean(cv2.Laplacian(gray, cv2.CV_32F) ** 2))


@pytest.mark.parametrize("index", [0, 2, 5])
def test_a_smaller_portrait_shows_the_same_person(index):
    small = portrait(index, side=256)
    large = cv2.resize(portrait(index, side=512), (256, 256), interpolation=cv2.INTER_AREA)
    structure = [cv2.GaussianBlur(image, (0, 0), 4).ravel() for image in (small, large)]
    assert np.corrcoef(structure)[0, 1] > 0.9  # other sitters reach 0.75


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_covers_the_scalp_but_not_the_face(style):
    canvas = np.zeros((256, 256, 3), np.uint8)
    face = random_face(np.random.default_rng(0), canvas)
    sitter = replace(face.sitter, hair_style=style, hair=np.array((200.0, 0.0, 0.0)))
    face = replace(face, sitter=sitter, roll_rad=0.0)
    draw_hair(face, HairShell(sitter, parting=0.2, volume=1.0, fringe=0.0))
    scalp, mouth = face.px([(0.5, -1.4), (0.0, 1.0)]).astype(int)
    assert (canvas[scalp[1], scalp[0], 0] > 0) == (style != "bald")
    assert canvas[mouth[1], mouth[0], 0] == 0


@pytest.mark.parametrize("beard", BEARDS[1:])
def test_every_beard_leaves_eyes_and_forehead_free(beard):
    canvas = np.zeros((256, 256, 3), np.uint8)
    face = random_face(np.random.default_rng(0), canvas)
    draw_beard(replace(face, sitter=replace(face.sitter, beard=beard)))
    assert canvas[150:].any()
    assert not canvas[:125].any()


def test_blur_takes_most_of_the_fine_detail(portraits):
    for sharp in portraits[:3]:
        blurred = cv2.blur(sharp, (15, 15))
        assert high_frequency_energy(sharp) > 50 * high_frequency_energy(blurred)


def test_detail_is_structure_rather_than_noise():
    sharp = portrait(1)
    lightly_denoised = cv2.medianBlur(sharp, 3)
    assert high_frequency_energy(lightly_denoised) > 0.1 * high_frequency_energy(sharp)


@pytest.fixture(scope="module")
def portraits():
    return [portrait(index, side=256) for index in range(24)]


def test_faces_stand_where_aligned_faces_stand(portraits):
    mean = np.mean(portraits, axis=0)
    cheek, backdrop = mean[140:160, 100:156].mean((0, 1)), mean[80:180, :24].mean((0, 1))
    assert cheek[0] - cheek[2] > 30  # skin of every tone is redder than blue
    assert cheek[0] - cheek[2] > backdrop[0] - backdrop[2] + 15


@pytest.mark.parametrize("draw_backdrop", BACKDROPS)
def test_every_backdrop_fills_the_canvas(draw_backdrop):
    canvas = np.zeros((256, 256, 3), np.uint8)
    draw_backdrop(np.random.default_rng(0), canvas)
    assert (canvas.max(axis=2) > 0).mean() > 0.98
    assert canvas.std() > 5


def test_some_skin_is_smooth_and_some_is_not():
    face = random_face(np.random.default_rng(0), np.zeros((512, 512, 3), np.uint8))
    detail = []
    for amount in (0.0, 1.0):
        canvas = np.zeros((512, 512, 3), np.uint8)
        sitter = replace(face.sitter, age=0.8, freckles=0.8, skin_detail=amount)
        rng = np.random.default_rng(1)
        draw_head(replace(face, rng=rng, canvas=canvas, sitter=sitter), lambda unlit: None)
        left, top = face.px((-0.7, -0.9)).astype(int)
        right, bottom = face.px((0.7, -0.5)).astype(int)
        detail.append(high_frequency_energy(canvas[top:bottom, left:right]))
    assert detail[0] < detail[1] / 10


def test_backdrops_lie_at_many_depths(portraits):
    """Beside the head, some are nearly sharp and some without any detail."""
    edges = [picture[20:160, :24] for picture in portraits]
    energy = [high_frequency_energy(cv2.GaussianBlur(edge, (0, 0), 1)) for edge in edges]
    assert min(energy) < 2
    assert max(energy) > 40


# Scenes.


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
    drawings = [scene(index, side=512) for index in range(12)]
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
        outline = random_outline(np.random.default_rng(seed), odds)
        assert np.isfinite(outline).all()
        assert np.linalg.norm(outline, axis=1).max() == pytest.approx(1)


@pytest.mark.parametrize("texture", [*TEXTURES, smooth_texture, random_texture])
def test_every_texture_is_a_finite_tile_that_varies(texture):
    for seed in range(3):
        tile = texture(np.random.default_rng(seed))
        assert tile.shape == (TILE_SIDE, TILE_SIDE)
        assert np.isfinite(tile).all()
        assert tile.std() > 0.1


def test_textures_are_centered_and_of_one_strength():
    for seed in range(12):
        tile = random_texture(np.random.default_rng(seed))
        assert tile.dtype == np.float32
        assert abs(tile.mean()) < 0.2
        assert 0.5 < tile.std() < 1.01


def test_palettes_hold_as_many_colors_as_asked_for():
    palette = random_palette(np.random.default_rng(0), 9)
    assert palette.shape == (9, 3)
    assert palette.min() >= 0
    assert palette.max() <= 255
