from dataclasses import replace

import cv2
import numpy as np
import pytest

from prepare.drawing import backdrops
from prepare.drawing.hair import HairShell, draw_beard, draw_hair
from prepare.drawing.portrait import portrait
from prepare.drawing.sitter import BEARDS, HAIR_STYLES, draw_pose, draw_sitter
from prepare.drawing.skin import draw_head


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
    rng = np.random.default_rng(0)
    red = np.array((200.0, 0.0, 0.0))
    sitter = replace(draw_sitter(rng), hair_style=style, hair=red)
    pose = replace(draw_pose(rng, 256), roll_rad=0.0)
    canvas = np.zeros((256, 256, 3), np.uint8)
    draw_hair(rng, canvas, pose, sitter, HairShell(sitter, parting=0.2, volume=1.0, fringe=0.0))
    scalp, mouth = pose.to_px([(0.5, -1.4), (0.0, 1.0)]).astype(int)
    assert (canvas[scalp[1], scalp[0], 0] > 0) == (style != "bald")
    assert canvas[mouth[1], mouth[0], 0] == 0


@pytest.mark.parametrize("beard", BEARDS[1:])
def test_every_beard_leaves_eyes_and_forehead_free(beard):
    rng = np.random.default_rng(0)
    sitter, pose = replace(draw_sitter(rng), beard=beard), draw_pose(rng, 256)
    canvas = np.zeros((256, 256, 3), np.uint8)
    draw_beard(rng, canvas, pose, sitter)
    assert canvas[150:].any()
    assert not canvas[:125].any()


def test_blur_takes_most_of_the_fine_detail():
    for index in range(3):
        sharp = portrait(index, side=256)
        blurred = cv2.blur(sharp, (15, 15))
        assert high_frequency_energy(sharp) > 50 * high_frequency_energy(blurred)


def test_detail_is_structure_rather_than_noise():
    sharp = portrait(1)
    lightly_denoised = cv2.medianBlur(sharp, 3)
    assert high_frequency_energy(lightly_denoised) > 0.1 * high_frequency_energy(sharp)


def test_faces_stand_where_aligned_faces_stand():
    mean = np.mean([portrait(index, side=128) for index in range(24)], axis=0)
    cheek, backdrop = mean[70:80, 50:78].mean((0, 1)), mean[40:90, :12].mean((0, 1))
    assert cheek[0] - cheek[2] > 30  # skin of every tone is redder than blue
    assert cheek[0] - cheek[2] > backdrop[0] - backdrop[2] + 15


@pytest.mark.parametrize("draw_backdrop", backdrops.BACKDROPS)
def test_every_backdrop_fills_the_canvas(draw_backdrop):
    canvas = np.zeros((256, 256, 3), np.uint8)
    draw_backdrop(np.random.default_rng(0), canvas)
    assert (canvas.max(axis=2) > 0).mean() > 0.98
    assert canvas.std() > 5


def test_some_skin_is_smooth_and_some_is_not():
    rng = np.random.default_rng(0)
    traits = replace(draw_sitter(rng), age=0.8, freckles=0.8)
    pose = draw_pose(rng, 512)
    detail = []
    for amount in (0.0, 1.0):
        canvas = np.zeros((512, 512, 3), np.uint8)
        sitter = replace(traits, skin_detail=amount)
        draw_head(np.random.default_rng(1), canvas, pose, sitter, lambda albedo: None)
        left, top = pose.to_px((-0.7, -0.9)).astype(int)
        right, bottom = pose.to_px((0.7, -0.5)).astype(int)
        detail.append(high_frequency_energy(canvas[top:bottom, left:right]))
    assert detail[0] < detail[1] / 10


def test_backdrops_lie_at_many_depths():
    """Beside the head, some are nearly sharp and some without any detail."""
    edges = [portrait(index, side=256)[20:160, :24] for index in range(24)]
    energy = [high_frequency_energy(cv2.GaussianBlur(edge, (0, 0), 1)) for edge in edges]
    assert min(energy) < 2
    assert max(energy) > 40
