"""What settings of a training may be, and what its presets are."""

from dataclasses import MISSING, fields, replace

import pytest

from train.settings import PRESETS, USUAL_STEPS, TrainSettings


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
        {"batch": 2**64},
        {"log_every": 0},
        {"epochs": -1},
        {"epochs": float("nan")},
        {"epochs": float("inf")},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"l1_weight": float("inf")},
        {"beta1": 1.0},
        {"gan_share": 0.0},
        {"scales": 4.5},
    ],
)
def test_settings_out_of_range_are_refused_by_name(change):
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


def test_every_setting_has_a_default_and_explains_itself():
    assert all(field.default is not MISSING for field in fields(TrainSettings))
    assert all(field.metadata["help"] for field in fields(TrainSettings))
