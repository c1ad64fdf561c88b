"""Means with their uncertainty."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import bootstrap

MOST_DRAWN = 2_000_000  # values at once


def mean_with_ci95(values: Sequence[float], seed: int) -> tuple[float, list[float]]:
    """Mean and its 95 % percentile bootstrap interval [low, high] over images (9999 resamples).

    One value, or equal ones, have the interval [mean, mean]: there is nothing to resample.
    """
    sample = np.asarray(values, np.float64)
    mean = float(sample.mean())
    if np.ptp(sample) == 0:
        return mean, [mean, mean]
    batch = min(1000, max(1, MOST_DRAWN // sample.size))  # of the resamples held in memory
    interval = bootstrap(
        (sample,), np.mean, method="percentile", batch=batch, rng=np.random.default_rng(seed)
    ).confidence_interval
    return mean, [float(interval.low), float(interval.high)]
