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

DISC = KernelRecord(LensBlur(30.0), OutputSettings())


def changed(**blur) -> KernelRecord:
    return KernelRecord(LensBlur(**{"radius_px": 30.0} | blur), OutputSettings())


def psf_of(radius_px: float, blades: int = 0, **blur) -> np.ndarray:
    return changed(radius_px=radius_px, blades=blades, **blur).psf()


@pytest.fixture
def sharp() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[:128, 140:268])


def lens_blurred(sharp: np.ndarray, psf: np.ndarray) -> np.ndarray:
    channels = [convolve(sharp[..., c].astype(float), psf, mode="nearest") for c in range(3)]
    return np.rint(np.dstack(channels)).astype(np.uint8)


@pytest.mark.parametrize("radius_px", [4.0, 30.0, 45.5])
def test_disc_covers_its_area(radius_px: float) -> None:
    psf = psf_of(radius_px)
    assert psf.sum() == pytest.approx(1)
    assert np.allclose(psf, psf[::-1])
    assert np.allclose(psf, psf.T)
    assert 1 / psf.max() == pytest.approx(math.pi * (radius_px / 4) ** 2, rel=0.03)


def test_a_triangles_corner_points_up_and_turns_counterclockwise() -> None:
    rows = psf_of(40.0, 3).sum(1)
    middle = rows.size // 2
    assert np.nonzero(rows)[0].min() == middle - 10
    assert np.nonzero(rows)[0].max() == middle + 5
    columns = psf_of(40.0, 3, rotation=90.0).sum(0)
    assert np.nonzero(columns)[0].min() == middle - 10


def test_curved_blades_lie_between_the_polygon_and_the_disc() -> None:
    straight, bowed, disc = psf_of(40.0, 5), psf_of(40.0, 5, curvature=60.0), psf_of(40.0)
    areas = [1 / psf.max() for psf in (straight, bowed, disc)]
    assert areas == sorted(areas)
    assert areas[0] < areas[1] < areas[2]


def test_richardson_lucy_equals_its_equation_inside(sharp: np.ndarray) -> None:
    psf = psf_of(12.0, 5, rotation=20.0)
    blurred = lens_blurred(sharp, psf) / 255
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


def test_methods_bring_a_known_blur_back(sharp: np.ndarray) -> None:
    psf = psf_of(16.0)
    blurred = lens_blurred(sharp, psf)
    methods, record = baselines.tuned_baselines(changed(radius_px=16.0), [(blurred, sharp)])
    before = peak_signal_noise_ratio(sharp, blurred)
    gains = {
        name: peak_signal_noise_ratio(sharp, restore(blurred)) - before
        for name, restore in methods.items()
    }
    assert gains["richardson_lucy"] > 2
    assert gains["wiener"] > 1.5
    assert 0 < gains["unsharp_mask"] < gains["richardson_lucy"]
    assert record["unsharp_mask"]["blind"]
    assert not record["wiener"]["blind"]


def test_methods_told_the_psf_work_in_the_light_that_was_blurred(sharp: np.ndarray) -> None:
    psf, light = psf_of(24.0), baselines.srgb_to_linear(sharp / 255)
    channels = [convolve(light[..., c], psf, mode="nearest") for c in range(3)]
    blurred = np.rint(baselines.linear_to_srgb(np.dstack(channels)) * 255).astype(np.uint8)
    scores = {}
    for linear in (True, False):
        kernel = changed(radius_px=24.0, linear=linear)
        methods, _ = baselines.tuned_baselines(kernel, [(blurred, sharp)])
        scores[linear] = {
            name: peak_signal_noise_ratio(sharp, restore(blurred))
            for name, restore in methods.items()
        }
    assert scores[True]["richardson_lucy"] > scores[False]["richardson_lucy"] + 1
    assert scores[True]["wiener"] > scores[False]["wiener"]
    assert scores[True]["unsharp_mask"] == scores[False]["unsharp_mask"]  # blind to it


def test_parameters_come_from_the_tuning_images_alone(sharp: np.ndarray) -> None:
    untouched = [(sharp, sharp)]
    _, record = baselines.tuned_baselines(DISC, untouched)
    assert record["richardson_lucy"]["iterations"] == min(baselines.ITERATIONS)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"radius_px": (10.0, 40.0)}, "differs"),
        ({"radius_px": 0.0}, "smaller"),
        ({"depth": True}, "varies"),
        ({"brightness": 20.0, "threshold": 200.0}, "highlights"),
        ({"linear": (False, True)}, "linear differs"),
        ({"linear": True, "gamma": (1.8, 2.4)}, "gamma differs"),
        ({"linear": True, "gamma": 2.2}, "tone curve"),
    ],
)
def test_sets_without_one_psf_are_left_out_with_a_reason(
    sharp: np.ndarray, change: dict, word: str
) -> None:
    methods, record = baselines.tuned_baselines(changed(**change), [(sharp, sharp)])
    assert set(methods) == {"unsharp_mask"}
    assert word in record["wiener"]["left_out"]


def test_brightness_without_highlights_leaves_one_psf() -> None:
    assert changed(brightness=20.0).why_no_psf() is None
    assert changed(brightness=20.0, threshold=254.0).why_no_psf() is not None


def test_a_psf_has_a_radius_of_half_a_pixel_at_least() -> None:
    assert changed(radius_px=2.0).why_no_psf() is None  # 4 pixels of the original make one
    assert "smaller than a pixel" in changed(radius_px=1.9).why_no_psf()


def test_a_sample_is_of_the_ids_alone_and_grows_with_few_changes() -> None:
    ids = [f"{number:05d}" for number in range(1000)]
    sample = baselines.baseline_ids(ids)
    assert len(sample) == baselines.SAMPLE_SIZE
    assert sample <= set(ids)
    assert baselines.baseline_ids(random.Random(0).sample(ids, len(ids))) == sample
    assert baselines.baseline_ids(ids, baselines.ALL) == set(ids)
    few = ids[: baselines.SAMPLE_SIZE]
    assert baselines.baseline_ids(few) == set(few)
    assert baselines.baseline_ids(ids[:900]) >= sample & set(ids[:900])
    assert 30 < sum(1 for image_id in sample if image_id < "00500") < 70
