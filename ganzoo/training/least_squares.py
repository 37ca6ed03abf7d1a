"""Linear fits in closed form over sampled places of features, for what need not begin with noise."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganzoo.training.latents import Purpose, stream

POSITIONS = 150  # of an image at every level
RIDGE = 1e-4  # of features of unit variance
LATENTS_AT_ONCE = 16


def sampled_places(numbers: Sequence[int], pixels: int, seed: int) -> Tensor:
    """Random places of every image, `[N, positions]`."""
    drawn = [stream(seed, Purpose.PLACES, number) for number in numbers]
    rows = [torch.from_numpy(random.integers(pixels, size=POSITIONS)) for random in drawn]
    return torch.stack(rows)


def at_places(x: Tensor, places: Tensor) -> Tensor:
    """The pixels of `x [N, C, H, W]` at places `[N, P]`, as `[N, C, P, 1]`."""
    flat = x.flatten(2)
    return flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1))[..., None]


def channel_spread(x: Tensor) -> Tensor:
    """Root of the mean square of every channel of `x [N, C, P, 1]`, by which it is divided before a fit.

    So a channel that is nearly constant is no reason for a large weight.
    """
    return x.square().mean(dim=(0, 2, 3)).sqrt().clamp(min=1e-6)


@torch.no_grad()
def least_squares(x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix `[out, C]` and bias `[out]` of the nearest linear map, with a small ridge, in float64."""
    width = x.shape[1] + 1
    gram, products = (
        torch.zeros(width, n, dtype=torch.float64, device="cpu") for n in (width, wanted.shape[1])
    )
    for features, targets in zip(
        torch.split(x, LATENTS_AT_ONCE), torch.split(wanted, LATENTS_AT_ONCE), strict=True
    ):
        a, b = (t[..., 0].transpose(1, 2).flatten(0, 1).cpu().double() for t in (features, targets))
        a = torch.cat([a, a.new_ones(len(a), 1)], dim=1)
        gram += a.T @ a
        products += a.T @ b
    places = x.shape[0] * x.shape[2]
    gram += RIDGE * places * torch.eye(width, dtype=gram.dtype, device=gram.device)
    solution = torch.linalg.solve(gram, products).to(x)
    return solution[:-1].T.contiguous(), solution[-1].contiguous()
