"""`Points`: what is drawn, be it seeds or saved w, for whatever takes either."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Noise
from ganzoo.latent.look import Look, random_sources
from ganzoo.latent.saved import SavedW


@dataclass(frozen=True)
class Points:
    """Seeds or saved w, and the look of their images.

    Attributes:
        look: Look; of saved w, a psi of 1 leaves them as they are.
        seeds: Seeds; of saved w, their numbers, from which random noise is drawn.
        saved: Saved w, or None for seeds. Noise that was saved with them stands for the constant one.
    """

    look: Look
    seeds: tuple[int, ...]
    saved: SavedW | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def names(self) -> list[str]:
        """A name for each, for files: seed0003 or w0000."""
        kind = "seed" if self.saved is None else "w"
        return [f"{kind}{number:04d}" for number in self.seeds]

    def w(self, model: Generator, part: slice = slice(None)) -> Tensor:
        """Their w `[N, num_ws, w_dim]`, as they are drawn."""
        if self.saved is None:
            return self.look.w(model, self.seeds[part])
        return self.look.truncated(model, self.saved.w[part])

    def noise(self, part: slice = slice(None)) -> Noise:
        """Their noise, as `Generator.synthesis` takes it."""
        if self.saved is None or self.saved.noise is None or self.look.noise != "const":
            return self.look.noise
        return [layer if len(layer) == 1 else layer[part] for layer in self.saved.noise]

    def images(self, model: Generator, part: slice = slice(None)) -> Tensor:
        """Their images `[N, C, R, R]`."""
        noise = self.noise(part)
        return model.draw(self.w(model, part), noise, random_sources(noise, self.seeds[part]))


def points(model: Generator, look: Look, seeds: Sequence[int] = (), saved: SavedW | None = None) -> Points:
    """Seeds, or all of some saved w.

    Args:
        model: Generator that is to draw them.
        look: Look of the images.
        seeds: Seeds; each is taken once.
        saved: Saved w, instead of seeds.

    Raises:
        ValueError: for a look or w that the model does not take, or no point.
    """
    if saved is None:
        look.check(model)
        found = Points(look, tuple(dict.fromkeys(seeds)))
    else:
        look.check_cutoff(model)
        if look.label is not None:
            raise ValueError("--label: saved w have their class already.")
        if saved.w.ndim != 3 or saved.w.shape[1:] != (model.num_ws, model.w_dim):
            raise ValueError(
                f"w of this model are [N, {model.num_ws}, {model.w_dim}]; got {list(saved.w.shape)}."
            )
        found = Points(look, tuple(range(len(saved.w))), saved)
    if not found.seeds:
        raise ValueError("There is no seed and no w to draw.")
    return found
