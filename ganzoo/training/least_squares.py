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


class NormalEquations:
    """Sums over places from which the nearest linear map with a bias follows, float64 on the CPU.

    Args:
        width: Number of features, M.
        out: Number of values that they should give.
    """

    def __init__(self, width: int, out: int) -> None:
        self.gram = torch.zeros(width + 1, width + 1, dtype=torch.float64, device="cpu")
        self.products = torch.zeros(width + 1, out, dtype=torch.float64, device="cpu")
        self.energy, self.places = 0.0, 0

    @torch.no_grad()
    def add(self, x: Tensor, wanted: Tensor) -> None:
        """Count the places of `x [N, M, P, 1]`, which should give `wanted [N, out, P, 1]`."""
        a, b = (t[..., 0].transpose(1, 2).flatten(0, 1).cpu().double() for t in (x, wanted))
        a = torch.cat([a, a.new_ones(len(a), 1)], dim=1)
        self.gram += a.T @ a
        self.products += a.T @ b
        self.energy += float(b.square().sum())
        self.places += len(a)

    def join(self, other: "NormalEquations") -> None:
        """Count the places of another one, too."""
        self.gram += other.gram
        self.products += other.products
        self.energy += other.energy
        self.places += other.places

    def solution(self) -> Tensor:
        """Matrix and bias `[out, M + 1]`, with a small ridge on features of unit variance."""
        # A channel that is nearly constant is no reason for a large weight.
        spread = (self.gram.diagonal() / self.places).sqrt().clamp(min=1e-6)
        gram = self.gram / spread / spread[:, None]
        gram += RIDGE * self.places * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        found: Tensor = torch.linalg.solve(gram, self.products / spread[:, None]) / spread[:, None]
        return found.T.contiguous()

    def left(self, matrix: Tensor) -> float:
        """Share of the wanted values' energy that a matrix with bias `[out, M + 1]` leaves; 0 of none."""
        matrix = matrix.cpu().double()
        found = ((matrix @ self.gram) * matrix).sum() - 2 * (matrix.T * self.products).sum()
        return (float(found) + self.energy) / self.energy if self.energy else 0.0


def least_squares(x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix `[out, C]` and bias `[out]` of the nearest linear map."""
    sums = NormalEquations(x.shape[1], wanted.shape[1])
    for some, targets in zip(
        torch.split(x, LATENTS_AT_ONCE), torch.split(wanted, LATENTS_AT_ONCE), strict=True
    ):
        sums.add(some, targets)
    solution = sums.solution().to(x)
    return solution[:, :-1].contiguous(), solution[:, -1].contiguous()
