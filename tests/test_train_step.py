import pytest
import tensorflow as tf

from train.settings import TrainSettings
from train.train_step import TrainState

# Share of its height that a rate has at the start, the end of the rise, the middle and the end.
RATES = {"constant": [1, 1, 1, 1], "linear": [1, 1, 0.98, 0], "cosine": [0, 1, 0.51, 0.02]}


@pytest.mark.parametrize("schedule", RATES)
def test_rates_of_both_networks_follow_the_run(schedule):
    settings = TrainSettings(channels=4, blocks=1, gan_start=0.8, schedule=schedule)
    state = TrainState(settings, num_steps=1000)
    for step, share in zip([0, 20, 510, 1000], RATES[schedule], strict=True):
        state.step.assign(step)
        optimizers = state.generator_optimizer, state.discriminator_optimizer
        heights = settings.learning_rate, settings.discriminator_learning_rate
        for optimizer, height in zip(optimizers, heights, strict=True):
            assert float(optimizer.learning_rate) / height == pytest.approx(share, abs=1e-6)


def test_names_inside_checkpoints_are_those_of_the_first_version(tmp_path):
    """A run begun by any version goes on with any later one."""
    state = TrainState(TrainSettings(channels=4, blocks=1), num_steps=10)
    path = state.checkpoint().save(tmp_path / "ckpt")
    names = {name.split("/")[0] for name, _ in tf.train.list_variables(path)}
    # The discriminator's weights are listed with its optimizer, which holds them too.
    assert names == {
        *("averaged", "generator", "generator_optimizer", "discriminator_optimizer"),
        *("step", "loss_sums", "best_haarpsi", "best_step"),
        *("save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH"),
    }
