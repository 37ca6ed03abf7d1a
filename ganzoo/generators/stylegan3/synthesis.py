"""The synthesis network: an input of waves, filtered layers, and a layer that makes the image."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks.base import Fold
from ganzoo.generators.stylegan3.input import FourierInput, inverse_transform
from ganzoo.generators.stylegan3.layer import FilteredLayer
from ganzoo.generators.stylegan3.table import Shape
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork


class Synthesis(SynthesisNetwork):
    """`w [N, num_ws, w_dim]` to images; it has no noise and one prediction.

    Row 0 of w turns and shifts the input, row i is that of layer i - 1; the last one's layer makes the image.

    Args:
        shapes: Numbers of the layers, in their order.
        w_dim: Width of w.
        clamp: Limit of the activations; None does not clip.
        output_scale: Factor of the image.
        magnitude_decay: Share that a layer's running mean of squares keeps in one step.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        *,
        w_dim: int,
        clamp: float | None,
        output_scale: float,
        magnitude_decay: float,
    ) -> None:
        super().__init__(num_ws=len(shapes) + 1, w_dim=w_dim)
        first = shapes[0]
        self.output_scale = output_scale
        self.input = FourierInput(
            w_dim=w_dim,
            channels=first.in_channels,
            size=first.in_size,
            rate=first.in_rate,
            cutoff=first.in_cutoff,
        )
        self.layers = nn.ModuleList(
            FilteredLayer(shape, w_dim=w_dim, clamp=clamp, decay=magnitude_decay) for shape in shapes
        )

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        self.layer_noise(w, noise, generator)
        x = self.input(w[:, 0])
        for row, layer in enumerate(self.layers, 1):
            x = layer(x, w[:, row])
        return Output(x * self.output_scale, [], [])

    def style_weights_of_rows(self) -> list[tuple[int, Tensor]]:
        layers = [cast(FilteredLayer, layer) for layer in self.layers]
        return [(row, matrix) for row, layer in enumerate(layers, 1) for matrix in layer.style_weights()]

    @torch.no_grad()
    def move(self, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> Callable[[], None]:
        transform = self.input.transform
        before = transform.clone()
        transform.copy_(inverse_transform(translate, rotate))

        @torch.no_grad()
        def back() -> None:
            transform.copy_(before)

        return back

    def observed(self) -> dict[str, Tensor]:
        moved = [cast(FilteredLayer, layer).moved for layer in self.layers]
        return {"magnitudes": torch.stack([x for x in moved if x is not None])} if None not in moved else {}

    @torch.no_grad()
    def absorb(self, observed: Mapping[str, Tensor]) -> None:
        for layer, magnitude in zip(self.layers, observed["magnitudes"], strict=True):
            cast(FilteredLayer, layer).magnitude_ema.copy_(magnitude)

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.input = cast(FourierInput, self.input.folded())
        for layer in self.layers:
            cast(FilteredLayer, layer).folded()
        return self.to(memory_format=torch.channels_last)
