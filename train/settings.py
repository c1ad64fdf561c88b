"""Every setting of a training run. Apart from the loop, so that `--help` needs no TensorFlow."""

import math
from dataclasses import dataclass
from typing import NoReturn

SIZE_MULTIPLES = {"residual": 4, "unet": 256}  # of a generator's height and width, pixels
CHOICES = {
    "generator": ("residual", "unet"),
    "normalization": ("batch", "instance", "none"),
    "gan_objective": ("vanilla", "lsgan", "hinge"),
    "optimizer": ("muon", "adam"),
    "schedule": ("constant", "linear", "cosine"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
}


@dataclass(frozen=True)
class TrainSettings:
    """How a run is trained; the defaults are the preset `sharp`."""

    epochs: float = 100  # length of the whole run, passes over the training images
    steps: int = 0  # length of the whole run in updates; 0 means as many as --epochs gives
    max_minutes: float = 0  # stops this call, not the run, after so long; 0 never
    patience: int = 0  # ends the run after so many validations without a better one; 0 never
    batch: int = 4  # images, or crops of them, an update, shared equally among all devices
    seed: int = 0  # of weights, order, augmentation and dropout
    generator: str = "residual"  # residual (quarter resolution) or unet (the paper's)
    channels: int = 64  # of the residual generator; more gain more in runs of an hour or more
    blocks: int = 12  # of the residual generator
    normalization: str = "none"  # batch, instance or none; of the U-Net and the discriminator
    gan_objective: str = "vanilla"  # vanilla (cross entropy), lsgan or hinge
    gan_weight: float = 1.0  # weight of the adversarial term; 0 trains without a discriminator
    gan_start: float = 0.8  # share of the run that is trained on the pixel term alone, before it
    l1_weight: float = 100.0  # weight of the mean absolute error (Isola et al., Eq. 4)
    grid_weight: float = 100.0  # weight of what repeats every 4 pixels, beside the adversarial term
    optimizer: str = "muon"  # muon or adam, of the generator; the discriminator has adam
    learning_rate: float = 1.5e-3  # the generator's, at its height
    discriminator_learning_rate: float = 2e-4  # of its Adam, at its height
    beta1: float = 0.5  # Adam's first moment decay, both networks
    schedule: str = "cosine"  # constant; linear to 0 in the last half; cosine, risen first, to 2 %
    crop: int = 128  # side of random crops to train on, pixels, at most; 0 means whole pictures
    turns: bool = True  # also trains on quarter turns, where the blur is the same turned
    jitter_px: int = 0  # random shift of both halves in training, at most, pixels
    cache: bool = False  # keeps all training pictures in memory, decoded: 0.4 MB a pair
    precision: str = "auto"  # of what is computed: float32, bfloat16, float16; auto chooses
    xla: bool = False  # compiles the update with XLA; for one device only
    log_every: int = 50  # steps between lines of log.csv
    sample_every: int = 500  # steps between sample sheets and validations
    checkpoint_minutes: float = 3.0  # time between checkpoints

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                self._refuse(name, " or ".join(known))
        for name in ("batch", "channels", "blocks", "log_every", "sample_every"):
            if getattr(self, name) < 1:
                self._refuse(name, "at least 1")
        for name in ("epochs", "learning_rate", "discriminator_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                self._refuse(name, "a positive number")
        durations = ("steps", "max_minutes", "patience", "checkpoint_minutes")
        for name in (*durations, "gan_weight", "l1_weight", "grid_weight", "crop", "jitter_px"):
            if not 0 <= getattr(self, name) < math.inf:
                self._refuse(name, "0 or a positive number")
        for name in ("beta1", "gan_start"):
            if not 0 <= getattr(self, name) < 1:
                self._refuse(name, "at least 0 and below 1")
        multiple = SIZE_MULTIPLES[self.generator]
        if self.crop % multiple:
            self._refuse("crop", f"a multiple of {multiple} for the generator {self.generator}")

    def _refuse(self, name: str, expected: str) -> NoReturn:
        flag = name.replace("_", "-")
        raise ValueError(f"--{flag} must be {expected}, got {getattr(self, name)}")

    def total_steps(self, num_images: int) -> int:
        """Updates in the whole run, given the number of training images."""
        return self.steps or max(1, round(self.epochs * num_images / self.batch))

    def first_judged_step(self, num_steps: int) -> int:
        """The first update with an adversarial term; after the last one if there is none."""
        return 1 + (round(self.gan_start * num_steps) if self.gan_weight else num_steps)

    def first_candidate_step(self, num_steps: int) -> int:
        """The first update after which the network may be the run's best.

        Scores only fall while the adversarial term begins to sharpen, so not before the last
        quarter of its part: the best would always be a network that it had hardly touched.
        """
        if not self.gan_weight:
            return 0
        return num_steps - (num_steps - self.first_judged_step(num_steps)) // 4


PRESETS = {
    "sharp": TrainSettings(),
    # Isola et al., arXiv 1611.07004, Sec. 3.3 and appendix. Their resize to 286 before the crop
    # would widen the blur by 12 %, so the same range of shifts is had by padding instead.
    "paper": TrainSettings(
        epochs=200,
        batch=1,
        generator="unet",
        normalization="batch",
        optimizer="adam",
        precision="float32",
        learning_rate=2e-4,
        schedule="constant",
        gan_start=0.0,
        grid_weight=0.0,
        crop=0,
        turns=False,
        jitter_px=15,
    ),
}

# What may differ when a run goes on: how long, how often, and how the same numbers are had.
FREE_TO_CHANGE = {"epochs", "steps", "max_minutes", "patience", "log_every", "sample_every"}
FREE_TO_CHANGE |= {"checkpoint_minutes", "cache"}
