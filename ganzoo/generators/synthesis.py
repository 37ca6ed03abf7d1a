"""What every synthesis network is: w and noise in, an image out, with what it was made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo.blocks import Block
from ganzoo.generators.sampling import NOISE_MODES

Noise = str | Sequence[Tensor]
RandomSource = torch.Generator | Sequence[torch.Generator] | None


class Output(NamedTuple):
    """What a synthesis network gives.

    Attributes:
        image: Images `[N, img_channels, R, R]`, nominally in -1..1, unclamped.
        levels: Predictions of all levels that have one, from low to high, before any sum over levels:
            pixels `[N, img_channels, r, r]` or sub-bands `[N, 4 * img_channels, r, r]`. May be empty.
        noise: Noise that was used, one `[1 or N, 1, r, r]` per layer from low to high. May be empty.
    """

    image: Tensor
    levels: list[Tensor]
    noise: list[Tensor]


class SynthesisNetwork(Block, ABC):
    """Base of the synthesis networks: `w [N, num_ws, w_dim]` to an `Output`.

    A new one gives `forward`; one with noise also `noise_sizes` and `constant_noise`; one with predictions at
    several levels also `level_images`; one with features at several levels also `features` and
    `level_modules`; one that runs quicker in another form also `folded`; one whose input lies on a plane also
    `move`; one that measures its features in training also `observed` and `absorb`.

    Args:
        num_ws: Rows of w.
        w_dim: Width of w.
        noise_sizes: Height and width of every layer's noise, from low to high; empty without noise.

    Attributes:
        cuts_batches: Whether it makes a few images at a time by itself, however many are asked for.
    """

    cuts_batches = False

    def __init__(self, *, num_ws: int, w_dim: int, noise_sizes: Sequence[tuple[int, int]] = ()) -> None:
        super().__init__()
        self.num_ws = num_ws
        self.w_dim = w_dim
        self.noise_sizes = list(noise_sizes)

    @abstractmethod
    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        """Images, predictions of every level, and the noise used; all samples at once.

        64 images of 1024 x 1024 take 15 GB (see `Generator`, whose own call makes a few at a time).

        Args:
            w: Rows `[N, num_ws, w_dim]`.
            noise: "const" (saved with the weights), "random", "none", or tensors `[1 or N, 1, r, r]`, one a
                layer from low to high resolution, as in `Output.noise`; a longer list, of a network with more
                levels, is read from its low end.
            generator: Source of random noise: one generator, or one a sample, so that a sample's noise does
                not depend on the batch it is in. Required for random noise.

        Raises:
            ValueError: for a wrong shape, an unknown noise mode, or random noise without a generator.
        """

    def constant_noise(self) -> list[Tensor]:
        """The noise that is saved with the weights, `[1, 1, r, r]` per layer."""
        return []

    def features(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Iterator[Tensor]:
        """The features of every level, `[N, level_channels[i], h, w]`, from low to high, one at a time."""
        return iter(())

    def level_modules(self) -> list[nn.Module]:
        """The modules that give the features of every level, from low to high."""
        return []

    def level_parts(self) -> list[list[nn.Module]]:
        """Per level, from low to high, all modules that belong to it alone, such as its part of the head."""
        return [[module] for module in self.level_modules()]

    def style_weights_of_rows(self) -> list[tuple[int, Tensor]]:
        """The matrices `[channels, w_dim]` that make styles of w, each with the row of w that it reads.

        Of the predictions of an image, the last one's alone. A network that says nothing gives none.
        """
        return []

    def level_images(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The image that the network stands for at every level of `Output.levels`, from low to high."""
        return []

    def move(self, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> Callable[[], None]:
        """Shift and turn the images that it makes from now on; the defaults put them back in their place.

        Args:
            translate: Shift to the right and down, in widths of the image.
            rotate: Degrees, counterclockwise; the turn comes before the shift.

        Returns:
            Function that brings the images back to where they were before.

        Raises:
            ValueError: if it has no input that can be moved.
        """
        raise ValueError(
            "The images of this model cannot be shifted or turned: only a StyleGAN3 has an input that moves, "
            "and only in PyTorch, --runtime torch. Leave out --translate and --rotate."
        )

    @contextmanager
    def moved(self, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> Iterator[None]:
        """A block in which the images are shifted and turned, see `move`."""
        back = self.move(translate, rotate)
        try:
            yield
        finally:
            back()

    def observed(self) -> dict[str, Tensor]:
        """What the last pass in training mode measured, by name; means over parts of a batch stand for it."""
        return {}

    def absorb(self, observed: Mapping[str, Tensor]) -> None:
        """Take over what was measured in training mode: a result of `observed`, or the mean of several."""

    def layer_noise(self, w: Tensor, noise: Noise, generator: RandomSource = None) -> list[Tensor | None]:
        """Noise for every layer, `[1 or N, 1, r, r]` or None; it and w are checked."""
        if w.ndim != 3 or w.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"w has shape [N, {self.num_ws}, {self.w_dim}]; got {list(w.shape)}.")
        if isinstance(noise, str):
            if noise == "const":
                return list(self.constant_noise())
            if noise == "none":
                return [None] * len(self.noise_sizes)
            if noise != "random":
                raise ValueError(
                    f"noise is one of {', '.join(NOISE_MODES)}, or a list of tensors; got {noise!r}."
                )
            if generator is None:
                raise ValueError("Random noise needs generator=, a torch.Generator or one for every sample.")
            return [_draw(w, size, generator) for size in self.noise_sizes]
        if noise is None:
            raise TypeError(f"noise is {', '.join(NOISE_MODES)} or a list of tensors; got {noise!r}.")
        if len(noise) < len(self.noise_sizes):
            raise ValueError(
                f"noise is a list of {len(self.noise_sizes)} tensors, one a layer; got {len(noise)}."
            )
        result: list[Tensor | None] = []
        for i, (tensor, size) in enumerate(zip(noise, self.noise_sizes, strict=False)):
            if tensor.shape[1:] != (1, *size) or tensor.shape[0] not in (1, w.shape[0]):
                height, width = size
                raise ValueError(
                    f"noise[{i}] has shape [1 or N, 1, {height}, {width}]; got {list(tensor.shape)}."
                )
            result.append(tensor.to(w))
        return result

    def borrowed(self, noise: Sequence[Tensor]) -> list[Tensor]:
        """The noise of another network for the layers here, one a layer from low to high.

        A layer takes noise of its own size, counted from the last one: so one layer of 4 x 4 takes the second
        of two, and two share one. Where the other network has none, it is the constant noise.

        Args:
            noise: `Output.noise` of the other network; empty if it has none.
        """
        lowest = list(noise[: len(self.noise_sizes)])  # of a network of one kind, of more levels
        if [tuple(x.shape[-2:]) for x in lowest] == self.noise_sizes:
            return lowest
        found = []
        for i, (size, own) in enumerate(zip(self.noise_sizes, self.constant_noise(), strict=True)):
            theirs = [x for x in noise if tuple(x.shape[-2:]) == size]
            later = self.noise_sizes[i + 1 :].count(size)
            found.append(theirs[max(0, len(theirs) - 1 - later)] if theirs else own)
        return found

    def used_noise(self, w: Tensor, noise: Sequence[Tensor | None]) -> list[Tensor]:
        """Noise for `Output.noise`: zeros where a layer had none."""
        pairs = zip(noise, self.noise_sizes, strict=True)
        return [w.new_zeros(1, 1, *size) if n is None else n for n, size in pairs]


def _draw(w: Tensor, size: tuple[int, int], generator: torch.Generator | Sequence[torch.Generator]) -> Tensor:
    """Normal noise `[N, 1, *size]`, drawn on the generator's device and moved to w's."""
    if isinstance(generator, torch.Generator):
        noise = torch.randn(
            w.shape[0], 1, *size, generator=generator, device=generator.device, dtype=torch.float32
        )
        return noise.to(w)
    if len(generator) != w.shape[0]:
        raise ValueError(f"One generator a sample: {w.shape[0]} of them, not {len(generator)}.")
    rows = [torch.randn(1, 1, *size, generator=g, device=g.device, dtype=torch.float32) for g in generator]
    return torch.cat(rows).to(w) if rows else w.new_empty(0, 1, *size)
