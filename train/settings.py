"""All settings of a training run. Not in the loop, so that `--help` needs no TensorFlow."""

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
        0, "length of the whole run in passes over the training images; 0: see --steps"
    )
    steps: int = setting(
        0, f"length of the whole run in updates; without this and --epochs {USUAL_STEPS}"
    )
    max_minutes: float = setting(
        0,
        "stops this call after this time, 0 never; plans a new run without --epochs and --steps",
    )
    patience: int = setting(
        0, "ends the run after this many validations without improvement; 0 never"
    )
    batch: int = setting(4, "images or crops per update, shared equally among all devices")
    seed: int = setting(0, "seed of weights, order, augmentation and dropout", flag=False)
    from_run: str | None = setting(
        None, "run whose network and best weights a new run starts from; None: from nothing"
    )
    generator: Literal["residual", "unet"] = setting(
        "residual", "residual network at a quarter of the resolution, or the paper's U-Net"
    )
    channels: int = setting(
        64, "width of the residual generator; more gain more in runs of an hour or more"
    )
    blocks: int = setting(12, "depth of the residual generator")
    start: Literal["lenses", "pooled"] = setting(
        "lenses",
        "how the residual generator estimates the blur: at each position by itself, or pooled over "
        "its neighborhood and, after training, with an estimate that holds for any picture",
    )
    normalization: Literal["batch", "instance", "none"] = setting(
        "none", "normalization of the U-Net and the discriminator"
    )
    gan_objective: Literal["vanilla", "lsgan"] = setting("vanilla", "vanilla is cross entropy")
    gan_weight: float = setting(
        1.0, "weight of the adversarial term; 0 trains without a discriminator"
    )
    gan_start: float = setting(
        0.8, "share of the run that trains with the L1 loss alone, before the adversarial term"
    )
    gan_share: float = setting(
        0.5, "share of each batch that the adversarial term sees; at least one picture"
    )
    l1_weight: float = setting(100.0, "weight of the L1 loss (Isola et al., Eq. 4)")
    grid_weight: float = setting(
        100.0, "weight of the error that repeats every 4 pixels; used with the adversarial term"
    )
    optimizer: Literal["muon", "adam"] = setting(
        "muon", "optimizer of the generator; the discriminator uses adam"
    )
    learning_rate: float = setting(1.5e-3, "highest learning rate of the generator")
    discriminator_learning_rate: float = setting(2e-4, "highest rate of the discriminator's Adam")
    beta1: float = setting(0.5, "decay of Adam's first moment, for both networks")
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "cosine", "linear falls to 0 in the second half; cosine rises first, then falls to 2 %"
    )
    average: bool = setting(True, "scores and uses a moving average of the generator's weights")
    crop: int = setting(128, "largest side of random crops, pixels; 0: whole pictures")
    turns: bool = setting(True, "also trains on quarter turns, if the blur looks the same turned")
    scales: float = setting(
        2.0, "shows half of all pairs up to this many times smaller, if the radii are ranges"
    )
    overlays: float = setting(
        0.0, "share of crops with something sharp laid over them, such as a hand or a frame"
    )
    jitter_px: int = setting(0, "largest random shift of both pictures of a pair, pixels")
    cache: Literal["auto", "0", "1"] = setting(
        "auto",
        "keeps decoded training pictures in memory, 0.4 MB per pair; auto does so if they take at "
        "most a quarter of the free memory",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "number format of the computation; auto chooses"
    )
    log_every: int = setting(50, "steps between lines of log.csv")
    sample_every: int = setting(500, "steps between validations, each with a sheet of samples")
    checkpoint_minutes: float = setting(3.0, "minutes between checkpoints")

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
