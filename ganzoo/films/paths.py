"""Ways through latent space: the w and the noise of every frame, as functions of its number.

    path = through_seeds(G, range(8), Motion(frames=300))
    film("film.mp4", frames(G, path), fps=30)

A frame depends on nothing but its number: the same seeds give the same frames, in any order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.films.curves import CURVES, EASES, along
from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import Label, as_labels, check_label, check_psi
from ganzoo.generators.synthesis import Noise
from ganzoo.latent.look import PSI, SAVED_PSI
from ganzoo.latent.saved import SavedW
from ganzoo.latent.truncation import nearest, towards
from ganzoo.system.validation import unknown

SPACES = ("z", "w")
NOISES = ("const", "random", "changing", "none")
MAX_FRAMES = 1_000_000

Place = tuple[tuple[float, float], float]  # shift and turn of images, see `SynthesisNetwork.move`


@dataclass(frozen=True)
class Motion:
    """How a film moves from stop to stop.

    Attributes:
        frames: Number of frames.
        curve: "linear"; "spherical" (z only); "cubic": a smooth one through all stops. None for the space's
            own: spherical in z, cubic in w.
        ease: "linear": at one pace; "smooth": slow at every stop.
        loop: Whether the way leads on from the last stop to the first, so that the last frame comes just
            before the first one. Otherwise the last frame is the last stop.
        psi: Truncation, or two to swing from the first to the second and back, once in a film. None for 0.7
            of seeds and 1 of saved w.
        cutoff: Number of rows of w to truncate (default: all).
        centers: Centers to truncate towards, see `ganzoo.latent.centers`; None for the mean w.
        noise: "const" (saved with the weights), "random" (one for the film), "changing" (another for every
            frame) or "none".
        noise_seed: Seed of random and changing noise.
        rotate: Degrees that the images of a StyleGAN3 turn by in the film, counterclockwise and at one pace;
            a loop closes after whole turns, 360 or -720.
        translate: Shift of a StyleGAN3's images to the right and down, in widths of the image, to which they
            swing and back, once in a film.

    Raises:
        ValueError: for a value that there is not.
    """

    frames: int
    curve: str | None = None
    ease: str = "linear"
    loop: bool = True
    psi: float | tuple[float, float] | None = None
    cutoff: int | None = None
    centers: Tensor | None = None
    noise: str = "const"
    noise_seed: int = 0
    rotate: float = 0.0
    translate: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MAX_FRAMES:
            raise ValueError(f"A film has 1 to {MAX_FRAMES} frames; got {self.frames}.")
        for kind, value, known in (
            ("curve", self.curve, CURVES), ("ease", self.ease, EASES), ("noise", self.noise, NOISES),
        ):  # fmt: skip
            if value is not None and value not in known:
                raise ValueError(unknown(kind, value, known))
        for psi in self.psi if isinstance(self.psi, tuple) else (self.psi,):
            if psi is not None:
                check_psi(psi, "psi")
        if not all(map(math.isfinite, (self.rotate, *self.translate))):
            raise ValueError(f"Images move by finite numbers; got {self.rotate} and {self.translate}.")

    def turn(self, number: int) -> float:
        """How much of the film is over at a frame, 0 to 1; a loop's last frame comes before 1."""
        return number / (self.frames if self.loop else max(1, self.frames - 1))

    def psi_at(self, number: int, usual: float) -> float:
        """Truncation of a frame."""
        if self.psi is None:
            return usual
        if not isinstance(self.psi, tuple):
            return self.psi
        first, second = self.psi
        return first + (second - first) * self._swing(number)

    def place(self, number: int) -> Place | None:
        """Shift and turn of a frame, as `SynthesisNetwork.move` takes them; None if no frame has any."""
        if not (self.rotate or any(self.translate)):
            return None
        x, y = (self._swing(number) * shift for shift in self.translate)
        return (x, y), self.rotate * self.turn(number)

    def _swing(self, number: int) -> float:
        """0 at the beginning of the film, 1 in its middle, 0 at its end."""
        return (1 - math.cos(2 * math.pi * self.turn(number))) / 2

    def draws(self, number: int, saved: Noise | None = None) -> tuple[Noise, torch.Generator | None]:
        """Noise of a frame, and what it is drawn from."""
        if self.noise == "const":
            return saved or "const", None
        if self.noise == "none":
            return "none", None
        seed = self.noise_seed + (number if self.noise == "changing" else 0)
        return "random", torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class LatentPath:
    """A way through latent space.

    Attributes:
        frames: Number of frames.
        w: Function of a frame's number to its w `[1, num_ws, w_dim]`, truncated.
        noise: Function of a frame's number to its noise, as `Generator.draw` takes it, and its source.
        place: Function of a frame's number to the place that its image is moved to, or None.
    """

    frames: int
    w: Callable[[int], Tensor]
    noise: Callable[[int], tuple[Noise, torch.Generator | None]]
    place: Callable[[int], Place | None] = lambda _: None


@torch.no_grad()
def through_seeds(
    generator: Generator,
    seeds: Sequence[int],
    motion: Motion,
    *,
    space: str = "z",
    labels: Sequence[Label] = (),
) -> LatentPath:
    """A way through seeds, and through classes.

    Args:
        generator: Generator that draws the frames.
        seeds: Stops of the way.
        motion: How it moves.
        space: "z" or "w", in which it moves.
        labels: Classes of a conditional model, or mixes of them, one for all stops or one after the other;
            whichever of seeds and classes are fewer begin again.

    Raises:
        ValueError: for an unknown space, a curve that a space does not have, no seed, classes that do not fit
            the model, a cutoff that it does not take, or a shift or turn of a model that has none.
    """
    check_space(space, motion.curve)
    _check_place(generator, motion)
    _check_labels(generator, labels)
    if not seeds:
        raise ValueError("A film needs a seed.")
    stops = max(len(seeds), len(labels))
    z = generator.sample_z([seeds[i % len(seeds)] for i in range(stops)])
    hot = None
    if labels:
        rows = [as_labels(labels[i % len(labels)], 1, generator.label_dim) for i in range(stops)]
        hot = torch.cat(rows).to(z)
    w = generator.mapping(z, hot)
    if space == "w":
        return _in_w(generator, w, motion, PSI)
    truncated, curve = _truncation(generator, w, motion, PSI), motion.curve or "spherical"

    @torch.no_grad()
    def at(number: int) -> Tensor:
        here = _along(z, number, motion, curve)
        label = None if hot is None else _along(hot, number, motion, "linear")
        return truncated(generator.mapping(here, label), number)

    return LatentPath(motion.frames, at, motion.draws, motion.place)


@torch.no_grad()
def through_w(generator: Generator, w: Tensor | SavedW, motion: Motion) -> LatentPath:
    """A way through given w.

    Args:
        generator: Generator that draws the frames.
        w: Stops of the way: `[N, num_ws, w_dim]`, or saved w. Noise that was saved for all of them is drawn
            instead of the constant one.
        motion: How it moves.

    Raises:
        ValueError: for a curve that w does not have, w or a cutoff that the generator does not take, or a
            shift or turn of a model that has none.
    """
    _check_place(generator, motion)
    saved = SavedW(w) if isinstance(w, Tensor) else w
    check_space("w", motion.curve)
    if saved.w.ndim != 3 or not len(saved.w):
        raise ValueError(f"W are [N, num_ws, w_dim], at least one; got {list(saved.w.shape)}.")
    shared = None
    if saved.noise is not None and all(len(layer) == 1 for layer in saved.noise):
        shared = list(saved.noise)
    return _in_w(generator, saved.w.to(generator.device), motion, SAVED_PSI, shared)


def check_space(space: str, curve: str | None) -> None:
    """Raise ValueError for an unknown space, or a curve that it does not have."""
    if space not in SPACES:
        raise ValueError(unknown("space", space, SPACES))
    if space == "w" and curve == "spherical":
        raise ValueError("The curve spherical is one of z: w lie on no sphere. Choose linear or cubic in w.")


def _in_w(
    generator: Generator, w: Tensor, motion: Motion, psi: float, noise: Noise | None = None
) -> LatentPath:
    """A way through w `[N, num_ws, w_dim]`."""
    truncated, curve = _truncation(generator, w, motion, psi), motion.curve or "cubic"

    @torch.no_grad()
    def at(number: int) -> Tensor:
        return truncated(_along(w, number, motion, curve), number)

    return LatentPath(motion.frames, at, lambda number: motion.draws(number, noise), motion.place)


def _along(stops: Tensor, number: int, motion: Motion, curve: str) -> Tensor:
    """The place `[1, …]` of a frame on its way through stops `[N, …]`."""
    return along(stops, motion.turn(number), curve, motion.ease, loop=motion.loop)


def _truncation(
    generator: Generator, stops: Tensor, motion: Motion, psi: float
) -> Callable[[Tensor, int], Tensor]:
    """What truncates the w `[1, num_ws, w_dim]` of a frame on its way through stops.

    Between two stops the nearest center moves from one's to the other's: with the nearest one of every frame,
    films would jump.
    """
    rows = generator.num_ws
    if motion.cutoff is not None and not 0 <= motion.cutoff <= rows:
        raise ValueError(f"--cutoff is 0 to {rows} for this model; got {motion.cutoff}.")
    centers = None if motion.centers is None else nearest(stops, motion.centers)

    def truncated(w: Tensor, number: int) -> Tensor:
        center = generator.mapping.center(w) if centers is None else _along(centers, number, motion, "linear")
        return towards(w, center, motion.psi_at(number, psi), motion.cutoff)

    return truncated


def _check_place(generator: Generator, motion: Motion) -> None:
    """Raise ValueError if images shall move and cannot."""
    place = motion.place(0)
    if place is not None:
        generator.synthesis.move(*place)()  # and back


def _check_labels(generator: Generator, labels: Sequence[Label]) -> None:
    checked: Sequence[Label | None] = labels or [None]
    for label in checked:
        check_label(label, generator.label_dim, "--labels")
