"""PyTorch at its quickest: the deploy form in half precision, and compiled into one graph."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# fp16 ends at 65504: a StyleGAN2 needs the `clamp` that it was trained with; a MobileStyleGAN does not.


def quicken(generator: Generator, precision: str = "fp32", *, compiled: bool = False) -> Generator:
    """A deployed generator whose synthesis network computes in another precision, compiled if asked to.

    The mapping network stays as it is, and so do the types of what goes in and comes out. There are no
    gradients. It takes the generator over.

    Args:
        generator: Generator as `deploy` gives it, on the device where it is to run.
        precision: Name in `DTYPES`.
        compiled: Whether `torch.compile` compiles it, at the first image of every batch size and noise mode,
            which takes about a minute; on a GPU into CUDA graphs.

    Raises:
        ValueError: for an unknown precision.
    """
    if precision not in DTYPES:
        raise ValueError(f"precision is one of {', '.join(DTYPES)}; got {precision!r}.")
    synthesis = QuickSynthesis(generator.synthesis, DTYPES[precision], compiled=compiled)
    form = f"{generator.form}, {precision}{', compiled' if compiled else ''}"
    return Generator(generator.config, generator.mapping, synthesis, form=form)


class QuickSynthesis(SynthesisNetwork):
    """A deployed synthesis network in another precision.

    Args:
        synthesis: Network to take over.
        dtype: Type of its weights and features.
        compiled: Whether `torch.compile` makes one graph of it.
    """

    def __init__(self, synthesis: SynthesisNetwork, dtype: torch.dtype, *, compiled: bool) -> None:
        super().__init__(num_ws=synthesis.num_ws, w_dim=synthesis.w_dim, noise_sizes=synthesis.noise_sizes)
        self.synthesis = synthesis.to(dtype).to(memory_format=torch.channels_last)
        self.dtype, self.compiled = dtype, compiled
        self._run: Callable[[Tensor, Noise], Tensor] = self._image
        if compiled:
            on_gpu = any(parameter.is_cuda for parameter in synthesis.parameters())
            mode = "reduce-overhead" if on_gpu else None
            self._run = torch.compile(self._image, mode=mode, dynamic=False)

    @torch.no_grad()
    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        """See `SynthesisNetwork.forward`; `Output.levels` is empty."""
        inputs = w.to(self.dtype)
        tensors = self.used_noise(inputs, self.layer_noise(w, noise, generator))
        fixed = isinstance(noise, str) and noise != "random"
        try:
            image = self._run(inputs, noise if fixed else tensors)
        except Exception as error:
            if not self.compiled:
                raise
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise OSError(f"torch.compile does not work here: {reason}") from error
        # A copy: the memory of a CUDA graph's result is the next result's, too.
        return Output(image.to(torch.float32, copy=True), [], [x.float() for x in tensors])

    def move(self, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> Callable[[], None]:
        return self.synthesis.move(translate, rotate)

    def layer_noise(self, w: Tensor, noise: Noise, generator: RandomSource = None) -> list[Tensor | None]:
        """See `SynthesisNetwork.layer_noise`."""
        return self.synthesis.layer_noise(w.to(self.dtype), noise, generator)

    def _image(self, w: Tensor, noise: Noise) -> Tensor:
        return cast(Tensor, self.synthesis(w, noise).image)
