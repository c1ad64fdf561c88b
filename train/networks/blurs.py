"""The blurs that the residual generator's start knows, and has an inverse for.

Real lenses blur with anything from a hard-edged disc to a Gaussian, so a blur stands for several
apertures of one variance, and is told by the radius of the disc among them, in pixels of the
picture itself: a quarter of `radius_px` at 256 pixels.
"""

from typing import NamedTuple

RADIUS_LAYER = "radius_probs"  # of a generator: gives the probability of each of a bank's radii


class Blur(NamedTuple):
    """Blurs of one size: apertures whose edges differ, all of a disc's variance."""

    radius: float  # of that disc, pixels
    softness: tuple[float, ...]  # of each edge: sigma of a Gaussian, in radii of the aperture
    step: float  # to the next radius, roughly, pixels

    @property
    def with_neighbors(self) -> list["Blur"]:
        """Itself, and what is to be taken for it: a little less and a little more."""
        radii = (self.radius - self.step, self.radius, self.radius + self.step)
        return [self._replace(radius=radius) for radius in radii]

    @property
    def halved(self) -> "Blur":
        """The same blur in the halved picture."""
        return self._replace(radius=self.radius / 2)


class Guess(NamedTuple):
    """How the radius is told, at each place, from the energies of rings of the spectrum."""

    slopes: tuple[float, ...]  # powers of the frequency that energies of sharp pictures fall with
    noise: float  # what blur does not take, in energies of rounding and JPEG at quality 95
    trust: float  # in the evidence: rings side by side tell the same twice
    prior_of_sharp: float  # log odds that a place is


class Bank(NamedTuple):
    """All blurs that a start knows."""

    full_res: tuple[Blur, ...]  # whose inverse works on the picture itself
    half_res: tuple[Blur, ...]  # on the halved one; what lies beyond 4 pixels loses nothing there
    sharp: tuple[Blur, ...]  # what counts as no blur
    guess: Guess  # that training begins with; it learns with the network
    later: Guess | None  # that takes its place once trained, and never learns; None keeps it
    fine: bool  # looks at the finest rings of the spectrum, too, to tell small radii apart
    pooled: bool  # tells the blur of a place by small views of all around it, not by one wide view
    hands_on: bool  # every inverse to the network, not only the sum that it starts from

    @property
    def blurs(self) -> tuple[Blur, ...]:
        """Those that have an inverse."""
        return self.full_res + self.half_res

    @property
    def radii(self) -> tuple[float, ...]:
        """Radius of each class that is told apart, pixels; the first is no blur."""
        return (0.0, *(blur.radius for blur in self.blurs))


_DISC, _HARD, _SOFT, _ANY = (0.0,), (0.0, 0.1), (0.25, 0.45, 0.8), (0.0, 0.15, 0.35, 0.7)
_HARD_RADII = (4.0, 4.5, 5.0, 5.5, 6.0, 6.7, 7.4, 8.2, 9.0, 10.0, 11.0, 12.0)
_SOFT_RADII = (4.0, 5.0, 6.3, 7.8, 9.7, 12.0)
_LENSES = Bank(
    tuple(Blur(radius, _ANY, radius / 10) for radius in (1.5, 2.0, 2.5, 3.0, 3.5)),
    tuple(Blur(radius, _HARD, 0.25) for radius in _HARD_RADII)
    + tuple(Blur(radius, _SOFT, radius / 10) for radius in _SOFT_RADII),
    tuple(Blur(radius, _ANY, 0.0) for radius in (0.0, 0.5, 1.0)),
    # A soft subject looks like a small blur, and is to be left alone.
    Guess((1.9, 2.3, 2.7), 3.0, 1.0, prior_of_sharp=1.5),
    None,
    fine=False,
    pooled=False,
    hands_on=True,
)
_THEORY = Guess((2.0, 2.6, 3.2), 15.0, 0.4, prior_of_sharp=6.0)  # of pictures of any kind
_REAL = _LENSES._replace(later=_THEORY, fine=True)
BANKS = {
    # Hard-edged discs alone: runs of before there was a choice.
    "discs": Bank(
        tuple(Blur(radius, _DISC, 0.25) for radius in (2.0, 2.5, 3.0, 3.5)),
        tuple(Blur(4 + 0.5 * number, _DISC, 0.25) for number in range(17)),
        tuple(Blur(radius, _DISC, 0.0) for radius in (0.0, 0.75, 1.5)),
        Guess((1.9, 2.3, 2.7), 3.0, 1.0, prior_of_sharp=0.0),
        None,
        fine=False,
        pooled=False,
        hands_on=False,
    ),
    # Edges of any kind.
    "lenses": _LENSES,
    # The same. A guess that learns knows the spectra of its training pictures, so the network
    # learns to believe it; on other pictures, smoother and noisier, it misleads and the later one
    # holds. Any place's own may err, so those around it have a say.
    "pooled": _REAL._replace(later=_THEORY._replace(noise=10.0, prior_of_sharp=7.0), pooled=True),
    # The same, but each place for itself: runs of before it was pooled.
    "real": _REAL,
    # By a guess of its own, and blind to the finest rings: runs of before they were looked at.
    "photographs": _LENSES._replace(later=Guess((2.0, 2.6, 3.2), 10.0, 0.5, prior_of_sharp=4.0)),
}
