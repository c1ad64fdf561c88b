"""The classical methods against scikit-image, and the reduced PSF against geometry."""

import math
import random

import numpy as np
import pytest
import skimage
from scipy.ndimage import convolve
from scipy.signal import fftconvolve
from skimage.metrics import peak_signal_noise_ratio

from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.sets import KernelRecord
from train.evaluation import baselines


def changed(**blur):
    return KernelRecord(LensBlur(**{"radius_px": 30.0} | blur), OutputSettings())


def psf_of(radius_px, blades=0, **blur):
    return changed(radius_px=radius_px, blades=blades, **blur).psf()


@pytest.fixture
def sharp():
    return np.ascontiguousarray(skimage.data.astronaut()[:96, 150:246])


def lens_blurred(sharp, psf):
    return np.dstack([convolve(sharp[..., c], psf, mode="nearest") for c in range(3)])


@pytest.mark.parametrize("radius_px", [4.0, 30.0, 45.5])
def test_a_reduced_disc_covers_its_area(radius_px):
    psf = psf_of(radius_px)
    assert psf.sum() == pytest.approx(1)
    assert np.allclose(psf, psf[::-1])
    assert np.allclose(psf, psf.T)
    assert 1 / psf.max() == pytest.approx(math.pi * (radius_px / 4) ** 2, rel=0.03)


def test_a_reduced_triangles_corner_points_up_and_turns_counterclockwise():
    for profile in (psf_of(40.0, 3).sum(1), psf_of(40.0, 3, rotation=90.0).sum(0)):
        reached = np.nonzero(profile)[0] - profile.size // 2
        assert (reached.min(), reached.max()) == (-10, 5)


def test_richardson_lucy_equals_its_equation_inside(sharp):
    psf = psf_of(12.0, 5, rotation=20.0)
    blurred = lens_blurred(sharp / 255, psf)
    ours = baselines.richardson_lucy(blurred, psf, [4])[0]
    reach = 2 * psf.shape[0]
    padded = np.pad(blurred, [(reach, reach), (reach, reach), (0, 0)], "edge")
    theirs = padded.copy()
    mirrored = psf[::-1, ::-1]
    for _ in range(4):
        for c in range(3):
            seen = fftconvolve(theirs[..., c], psf, "same")
            theirs[..., c] *= fftconvolve(padded[..., c] / (seen + 1e-12), mirrored, "same")
    inside = slice(30, -30)
    expected = theirs[reach:-reach, reach:-reach][inside, inside].clip(0, 1)
    assert np.abs(ours[inside, inside] - expected).max() < 2e-3


def restored_psnr_db(blurred, sharp, **blur):
    """PSNR of each method on the picture that it is tuned on; then what is recorded of it."""
    blurred = np.rint(255 * blurred).astype(np.uint8)
    methods, record = baselines.tuned_baselines(changed(**blur), [(blurred, sharp)])
    restored = {name: restore(blurred) for name, restore in methods.items()}
    pictures = restored | {"blurred": blurred}
    return {
        name: peak_signal_noise_ratio(sharp, picture) for name, picture in pictures.items()
    }, record


def test_methods_bring_a_known_blur_back(sharp):
    blurred = lens_blurred(sharp / 255, psf_of(16.0))
    scores, record = restored_psnr_db(blurred, sharp, radius_px=16.0)
    before = scores.pop("blurred")
    gains = {name: score - before for name, score in scores.items()}
    assert gains["richardson_lucy"] > 2
    assert gains["wiener"] > 1.5
    assert 0 < gains["unsharp_mask"] < gains["richardson_lucy"]
    assert record["unsharp_mask"]["blind"]
    assert not record["wiener"]["blind"]


def test_methods_told_the_psf_work_in_the_light_that_was_blurred(sharp):
    light = lens_blurred(baselines.srgb_to_linear(sharp / 255), psf_of(24.0))
    linear, encoded = (
        restored_psnr_db(baselines.linear_to_srgb(light), sharp, radius_px=24.0, linear=is_linear)[
            0
        ]
        for is_linear in (True, False)
    )
    assert linear["richardson_lucy"] > encoded["richardson_lucy"] + 1
    assert linear["wiener"] > encoded["wiener"]
    assert linear["unsharp_mask"] == encoded["unsharp_mask"]  # blind to it


def test_parameters_come_from_the_tuning_images_alone(sharp):
    untouched = [(sharp[:48, :48], sharp[:48, :48])]
    _, record = baselines.tuned_baselines(changed(), untouched)
    assert record["richardson_lucy"]["iterations"] == min(baselines.ITERATIONS)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"radius_px": (10.0, 40.0)}, "differs"),
        ({"radius_px": 1.9}, "smaller than a pixel"),
        ({"depth": True}, "varies"),
        ({"brightness": 20.0, "threshold": 254.0}, "highlights"),
        ({"linear": (False, True)}, "linear differs"),
        ({"linear": True, "gamma": (1.8, 2.4)}, "gamma differs"),
        ({"linear": True, "gamma": 2.2}, "tone curve"),
    ],
)
def test_sets_without_one_psf_are_left_out_with_a_reason(sharp, change, word):
    methods, record = baselines.tuned_baselines(changed(**change), [(sharp, sharp)])
    assert set(methods) == {"unsharp_mask"}
    assert word in record["wiener"]["left_out"]
    assert changed(radius_px=2.0, brightness=20.0).why_no_psf() is None  # a pixel, no highlights


def test_a_sample_is_of_the_ids_alone_and_grows_with_few_changes():
    ids, size = [f"{number:05d}" for number in range(1000)], baselines.SAMPLE_SIZE
    sample = baselines.baseline_ids(ids)
    assert len(sample) == size
    assert sample <= set(ids)
    assert baselines.baseline_ids(random.Random(0).sample(ids, len(ids))) == sample
    assert baselines.baseline_ids(ids, baselines.ALL) == set(ids)
    assert baselines.baseline_ids(ids[:size]) == set(ids[:size])
    assert baselines.baseline_ids(ids[:900]) >= sample & set(ids[:900])
    assert 30 < sum(1 for image_id in sample if image_id < "00500") < 70
