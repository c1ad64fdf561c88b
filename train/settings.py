"""Every setting of a training run. Apart from the loop, so that `--help` needs no TensorFlow."""

import math
from dataclasses import dataclass

GENERATORS = ("residual", "unet")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class TrainSettings:
    """How a run is trained; the defaults are the preset `sharp`."""

    epochs: float = 20  # length of the whole run, passes over the training images
    steps: int = 0  # length of the whole run in updates; 0 means as many as --epochs gives
    batch: int = 1  # images an update
    seed: int = 0  # of weights, order, augmentation and dropout
    generator: str = "residual"  # residual (quarter resolution) or unet (the paper's)
    gan_weight: float = 1.0  # weight of the adversarial term; 0 trains without a discriminator
    l1_weight: float = 100.0  # weight of the mean absolute error (Isola et al., Eq. 4)
    learning_rate: float = 1e-3  # Adam's, at the start
    discriminator_learning_rate: float = 2e-4  # Adam's, for the discriminator
    beta1: float = 0.5  # Adam's first moment decay, both networks
    schedule: str = "cosine"  # constant, or cosine down to 2 % at the end of the run
    jitter_px: int = 0  # random shift of both halves in training, at most; mirroring is always on
    log_every: int = 50  # steps between lines of log.csv
    sample_every: int = 500  # steps between sample sheets and validations
    checkpoint_minutes: float = 3.0  # time between checkpoints

    def __post_init__(self) -> None:
        for name, known in (("generator", GENERATORS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                options = " or ".join(known)
                raise ValueError(f"--{name} must be {options}, got {getattr(self, name)}")
        for name in ("batch", "log_every", "sample_every"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be at least 1, got {getattr(self, name)}")
        for name in ("epochs", "learning_rate", "discriminator_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be a positive number, got {getattr(self, name)}")
        names = ("steps", "gan_weight", "l1_weight", "jitter_px", "checkpoint_minutes")
        for name in names:
            if not 0 <= getattr(self, name) < math.inf:
                flag = name.replace("_", "-")
                raise ValueError(
                    f"--{flag} must be 0 or a positive number, got {getattr(self, name)}"
                )
        if not 0 <= self.beta1 < 1:
            raise ValueError(f"--beta1 must be at least 0 and below 1, got {self.beta1}")

    def total_steps(self, num_images: int) -> int:
        """Updates in the whole run, given the number of training images."""
        return self.steps or max(1, round(self.epochs * num_images / self.batch))


PRESETS = {
    "sharp": TrainSettings(),
    # Isola et al., arXiv 1611.07004, Sec. 3.3 and appendix. Their resize to 286 before the crop
    # would widen the blur by 12 %, so the same range of shifts is had by padding instead.
    "paper": TrainSettings(
        epochs=200, generator="unet", learning_rate=2e-4, schedule="constant", jitter_px=15
    ),
}
