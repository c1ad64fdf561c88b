import numpy as np
import pytest

from benchmarks.bench_recipe import grid_db


def with_grid(period, height):
    noise = np.random.default_rng(0).normal(128, 20, (256, 256, 1)).repeat(3, 2)
    rows = height * (np.arange(256) % period == 0)
    return np.rint(noise + rows[:, None, None] + rows[None, :, None]).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("period", [2, 4])
def test_grid_stands_out_at_its_own_period(period):
    assert grid_db(with_grid(period, 8), period) > 8


@pytest.mark.parametrize("period", [2, 4])
def test_nothing_stands_out_without_a_grid(period):
    assert abs(grid_db(with_grid(period, 0), period)) < 2
