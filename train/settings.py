"""Every setting of a training run. Apart from the loop, so that `--help` needs no TensorFlow."""

from dataclasses import dataclass
from typing import Literal

from prepare.records.settings import check_choices, require, setting

USUAL_STEPS = 12_000  # why, benchmarks/RECIPE.md says
LARGEST = 2**31 - 1  # of any number: what is larger was typed wrong
SIZE_MULTIPLES = {"residual": 4, "unet": 256}  # of a generator's height and width, pixels


@dataclass(frozen=True)
class TrainSettings:
    """How a run is trained; the defaults are the preset `sharp`."""

    epochs: float = setting(
        0, "length of the whole run, passes over the training images; 0 leaves it to --steps"
    )
    steps: int = setting(
        0, f"length of the whole run in updates, instead; with neither, {USUAL_STEPS}"
    )
    max_minutes: float = setting(
        0,
        "stops this call after so long, 0 never; a new run that is not told how long is planned so",
    )
    patience: int = setting(
        0, "ends the run after so many validations without a better one; 0 never"
    )
    batch: int = setting(4, "images, or crops of them, an update, shared equally among all devices")
    seed: int = setting(0, "of weights, order, augmentation and dropout", flag=False)
    from_run: str | None = setting(
        None, "run whose network and best weights a new run starts from; None is from scratch"
    )
    generator: Literal["residual", "unet"] = setting(
        "residual", "quarter resolution, or the paper's U-Net"
    )
    channels: int = setting(
        64, "of the residual generator; more gain more in runs of an hour or more"
    )
    blocks: int = setting(12, "of the residual generator")
    start: Literal["lenses", "pooled"] = setting(
        "lenses",
        "how the residual generator estimates the blur that it starts from the inverse of; pooled "
        "does by all around a place and, once trained, by what holds for any picture",
    )
    normalization: Literal["batch", "instance", "none"] = setting(
        "none", "of the U-Net and the discriminator"
    )
    gan_objective: Literal["vanilla", "lsgan"] = setting("vanilla", "vanilla is cross entropy")
    gan_weight: float = setting(
        1.0, "weight of the adversarial term; 0 trains without a discriminator"
    )
    gan_start: float = setting(
        0.8, "share of the run that is trained on the pixel term alone, before it"
    )
    gan_share: float = setting(
        0.5, "share of each batch that the adversarial term looks at; a picture at least"
    )
    l1_weight: float = setting(100.0, "weight of the mean absolute error (Isola et al., Eq. 4)")
    grid_weight: float = setting(
        100.0, "weight of what repeats every 4 pixels, beside the adversarial term"
    )
    optimizer: Literal["muon", "adam"] = setting(
        "muon", "of the generator; the discriminator has adam"
    )
    learning_rate: float = setting(1.5e-3, "the generator's, at its height")
    discriminator_learning_rate: float = setting(2e-4, "of its Adam, at its height")
    beta1: float = setting(0.5, "Adam's first moment decay, both networks")
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "cosine", "linear falls to 0 in the last half; cosine, risen first, to 2 %"
    )
    average: bool = setting(
        True, "keeps a moving average of the generator's weights, which is scored and used"
    )
    crop: int = setting(
        128, "side of random crops to train on, pixels, at most; 0 means whole pictures"
    )
    turns: bool = setting(True, "also trains on quarter turns, where the blur is the same turned")
    scales: float = setting(
        2.0, "half of all pairs are shown up to so many times smaller, where radii are ranges"
    )
    overlays: float = setting(
        0.0, "share of crops before which something sharp is laid, as a hand or a frame would be"
    )
    jitter_px: int = setting(0, "random shift of both halves in training, at most, pixels")
    cache: Literal["auto", "0", "1"] = setting(
        "auto",
        "keeps training pictures in memory, decoded, 0.4 MB a pair; auto does where that takes a "
        "quarter of what is free or less",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "of what is computed; auto chooses"
    )
    log_every: int = setting(50, "steps between lines of log.csv")
    sample_every: int = setting(500, "steps between sample sheets and validations")
    checkpoint_minutes: float = setting(3.0, "time between checkpoints")

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("batch", "channels", "blocks", "log_every", "sample_every"):
            self._require(1 <= getattr(self, name) <= LARGEST, name, "at least 1")
        self._require(1 <= self.scales <= 4, "scales", "between 1 and 4")
        for name in ("learning_rate", "discriminator_learning_rate"):
            self._require(0 < getattr(self, name) <= LARGEST, name, "a positive number")
        durations = ("epochs", "steps", "max_minutes", "patience", "checkpoint_minutes")
        weights = ("gan_weight", "l1_weight", "grid_weight")
        for name in (*durations, *weights, "crop", "jitter_px", "seed"):
            self._require(0 <= getattr(self, name) <= LARGEST, name, "0 or a positive number")
        for name in ("beta1", "gan_start"):
            self._require(0 <= getattr(self, name) < 1, name, "at least 0 and below 1")
        self._require(0 <= self.overlays <= 1, "overlays", "between 0 and 1")
        self._require(0 < self.gan_share <= 1, "gan_share", "above 0 and at most 1")
        multiple = SIZE_MULTIPLES[self.generator]
        expected = f"a multiple of {multiple} for the generator {self.generator}"
        self._require(self.crop % multiple == 0, "crop", expected)

    def _require(self, holds: bool, name: str, expected: str) -> None:
        require(holds, name, expected, getattr(self, name))

    def total_steps(self, num_images: int) -> int:
        """Updates in the whole run, given the number of training images."""
        if self.steps or not self.epochs:
            return self.steps or USUAL_STEPS
        return max(1, round(self.epochs * num_images / self.batch))

    def gan_start_step(self, num_steps: int) -> int:
        """The first update with an adversarial term; after the last one if there is none."""
        return 1 + (round(self.gan_start * num_steps) if self.gan_weight else num_steps)

    def best_eligible_step(self, num_steps: int) -> int:
        """The first update after which the network may be the run's best.

        Scores only fall while the adversarial term begins to sharpen, so not before the last
        quarter of its part: the best would always be a network that it had hardly touched.
        """
        if not self.gan_weight:
            return 0
        return num_steps - (num_steps - self.gan_start_step(num_steps)) // 4


PRESETS = {
    "sharp": TrainSettings(),
    # Nothing but what the pixels say: for photographs, whose faces nobody wants invented.
    "faithful": TrainSettings(gan_weight=0.0, start="pooled", overlays=0.25),
    # A few steps on a few drawn pictures. The discriminator sets in late: a step with it takes as
    # long as three without.
    "demo": TrainSettings(
        steps=500, sample_every=100, log_every=20, gan_start=0.95, learning_rate=2e-3
    ),
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
        average=False,
        gan_start=0.0,
        gan_share=1.0,
        grid_weight=0.0,
        crop=0,
        turns=False,
        scales=1.0,
        jitter_px=15,
    ),
}

# What may differ when a run goes on: how long, how often, and how the same numbers are had.
FREE_TO_CHANGE = {"epochs", "steps", "max_minutes", "patience", "log_every", "sample_every"}
FREE_TO_CHANGE |= {"checkpoint_minutes", "cache"}
