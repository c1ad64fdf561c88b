import math
from dataclasses import MISSING, fields, replace

import pytest

from prepare.ffhq.metadata import FfhqSettings
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.settings import SettingError
from train.settings import PRESETS, USUAL_STEPS, TrainSettings


@pytest.mark.parametrize("change", [{"size": 15}, {"size": 0}, {"quality": 0}, {"quality": 101}])
def test_output_settings_out_of_range_are_refused_by_name(change):
    [name] = change
    with pytest.raises(ValueError, match=f"^{name} must be .*, got {change[name]}$"):
        OutputSettings(**change)


def test_output_settings_at_their_limits_are_allowed():
    assert OutputSettings() == OutputSettings(256, 95)
    for size, quality in ((16, 1), (1024, 100)):
        assert OutputSettings(size, quality).quality == quality


@pytest.mark.parametrize(
    "change",
    [
        {"generator": "transformer"},
        {"schedule": "steps"},
        {"crop": 30},
        {"gan_objective": "wasserstein"},
        {"normalization": "layer"},
        {"precision": "float64"},
        {"patience": -1},
        {"batch": 0},
        {"channels": 0},
        {"blocks": 0},
        {"log_every": 0},
        {"sample_every": -1},
        {"epochs": -1},
        {"epochs": float("nan")},
        {"epochs": float("inf")},
        {"steps": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"discriminator_learning_rate": -1e-4},
        {"gan_weight": -1.0},
        {"l1_weight": float("inf")},
        {"beta1": 1.0},
        {"jitter_px": -1},
        {"checkpoint_minutes": -1.0},
    ],
)
def test_train_settings_out_of_range_are_refused_by_name(change):
    [name] = change
    with pytest.raises(ValueError, match=f"^{name} must be"):
        TrainSettings(**change)


def test_presets():
    assert PRESETS["sharp"] == TrainSettings()
    # Isola et al., Sec. 3.3 and appendix: Adam 2e-4 and 0.5 for both networks, L1 weight 100.
    paper = PRESETS["paper"]
    assert paper.generator == "unet"
    assert (paper.learning_rate, paper.discriminator_learning_rate) == (2e-4, 2e-4)
    assert (paper.beta1, paper.l1_weight, paper.gan_weight, paper.batch) == (0.5, 100, 1, 1)
    assert paper.grid_weight == 0  # its objective is Eq. 4 and nothing else
    assert (paper.epochs, paper.schedule, paper.jitter_px) == (200, "constant", 15)  # (286-256)/2


def test_steps_of_a_run():
    settings = TrainSettings(epochs=20, batch=1)
    assert settings.total_steps(80) == 1600
    assert replace(settings, batch=4).total_steps(80) == 400
    assert replace(settings, epochs=0.5).total_steps(80) == 40
    assert replace(settings, epochs=0.001).total_steps(80) == 1  # never none
    assert replace(settings, steps=77).total_steps(80) == 77
    assert TrainSettings().total_steps(80) == TrainSettings().total_steps(70_000) == USUAL_STEPS


@pytest.mark.parametrize("settings_class", [OutputSettings, LensBlur, FfhqSettings, TrainSettings])
def test_every_setting_has_a_default_and_explains_itself(settings_class):
    assert all(field.default is not MISSING for field in fields(settings_class))
    assert all(field.metadata["help"] for field in fields(settings_class))
    settings_class()


@pytest.mark.parametrize(
    "change",
    [
        {"num_attempts": 0},
        {"num_attempts": -1},
        {"read_timeout_s": -5.0},
        {"read_timeout_s": 0.0},
        {"deadline_s": math.inf},
        {"backoff_s": -1.0},
        {"max_backoff_s": math.nan},
        {"connections": 0},
        {"max_failures": 0},
        {"source": "folder"},
        {"mirror_url": "http://host/{id}"},
        {"drive_url": "drive.google.com"},
        {"metadata_url": "file:///etc/passwd"},
    ],
)
def test_download_settings_that_make_no_sense_are_refused_by_name(change):
    [name] = change
    with pytest.raises(SettingError, match=f"^{name} must be"):
        FfhqSettings(**change)
