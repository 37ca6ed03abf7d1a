"""The generator: mapping and synthesis behind one call."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganzoo.blocks import MappingNetwork
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.sampling import MAX_SEED, check_limit
from ganzoo.generators.synthesis import Noise, RandomSource, SynthesisNetwork
from ganzoo.system.images import Images, to_images

TRAINABLE, DEPLOYED = "trainable", "deployed"  # forms
PIECE_BYTES = 2 << 30  # what one call holds of features at most; larger batches are no faster by then
_TENSORS = 5  # of the widest level that live at the same time; 4.4 measured, 3.7 in the deploy form


class Generator(nn.Module):
    """Latents `z [N, z_dim]` to images `[N, img_channels, R, R]` in -1..1, unclamped.

    Memory: an image takes about five times the features of its widest level, `channels * r * r` float32
    numbers: 0.3 GB for `mobilestylegan_ffhq`, 0.7 GB for a StyleGAN2 of 1024 x 1024. A call of the generator
    makes `images_at_once` images at a time, about 2 GB; its result takes 12 MB for an image of 1024 x 1024.
    A call of `synthesis` makes all images at once: 64 of 1024 take 15 GB. Where gradients are recorded, all
    that they need is kept, and several times as much is taken: use `torch.inference_mode()` without them.

    Args:
        config: Config that it is made of.
        mapping: Module `z, label, truncation_psi, truncation_cutoff` to `w [N, num_ws, w_dim]`.
        synthesis: Module `w, noise` to `Output(image, levels, noise)`.
        form: "trainable" as `create` gives it, "deployed", or the name of what computes it; only a trainable
            one is saved, deployed and exported.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        mapping: MappingNetwork,
        synthesis: SynthesisNetwork,
        *,
        form: str = TRAINABLE,
    ) -> None:
        super().__init__()
        self.config = config
        self.mapping = mapping
        self.synthesis = synthesis
        self.form = form
        self.eval()

    @classmethod
    def from_config(cls, config: GeneratorConfig) -> "Generator":
        """The generator of a config, its weights not yet drawn: `ganzoo.models.factory.build` draws them."""
        return cls(config, config.build_mapping(), config.build_synthesis())

    @property
    def z_dim(self) -> int:
        """Width of the latent."""
        return self.config.z_dim

    @property
    def w_dim(self) -> int:
        """Width of w."""
        return self.config.w_dim

    @property
    def num_ws(self) -> int:
        """Rows of w."""
        return self.config.num_ws

    @property
    def resolution(self) -> int:
        """Side of the image."""
        return self.config.resolution

    @property
    def img_channels(self) -> int:
        """Channels of the image."""
        return self.config.img_channels

    @property
    def label_dim(self) -> int:
        """Width of the label, 0 for an unconditional network."""
        return self.config.label_dim

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.mapping.w_avg.device

    @property
    def images_at_once(self) -> int:
        """How many images one pass of the synthesis network makes, so that they take about 2 GB."""
        return max(1, PIECE_BYTES // (4 * _TENSORS * self.config.largest_features))

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.parameters())
        side = self.resolution
        return f"Generator({self.config.family}, {side} x {side}, {parameters:,} parameters, {self.form})"

    def sample_z(self, n: int | Iterable[int], seed: int = 0, *, limit: float | None = None) -> Tensor:
        """Latents `[n, z_dim]` on the generator's device and of its type, row i drawn from `seed + i` alone.

        So an image does not depend on the batch that it is made in. The stream is
        `numpy.random.RandomState(seed)`, frozen for all time and the one that NVIDIA's scripts use: seed 42
        here is seed 42 there, on any device.

        Args:
            n: Number of latents, or the seeds themselves.
            seed: Seed of the first, if `n` is a number.
            limit: Largest number, either way, of a normal distribution that is cut there (Brock et al. 2019,
                section 3.1, with 2); None for one that is not. It is drawn as `scipy.stats.truncnorm` does.

        Raises:
            ValueError: for a seed outside 0 to 2**32 - 1, or a limit that is not positive.
        """
        check_limit(limit, "limit")
        rows = []
        for own in range(seed, seed + n) if isinstance(n, int) else n:
            if not 0 <= own <= MAX_SEED:
                raise ValueError(f"A seed is a whole number from 0 to {MAX_SEED}; got {own}.")
            random = np.random.RandomState(own)
            rows.append(random.randn(self.z_dim) if limit is None else _cut(random, self.z_dim, limit))
        z = torch.from_numpy(np.array(rows, dtype=np.float32).reshape(-1, self.z_dim))
        return z.to(self.mapping.w_avg)

    @staticmethod
    def to_pil(images: Tensor) -> Images:
        """Images `[N, C, H, W]` in -1..1 as Pillow's, with the very bytes that `ganzoo generate` writes.

        A list of them, which a notebook shows as one sheet; `to_pil(images).sheet()` is that sheet.

        Raises:
            ValueError: for other than 1, 3 or 4 channels.
        """
        return Images(to_images(images))

    def forward(
        self,
        z: Tensor,
        label: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise: Noise = "const",
        generator: RandomSource = None,
    ) -> Tensor:
        """Images `[N, img_channels, R, R]`; the arguments are those of `mapping` and `synthesis`.

        Any number of them: `images_at_once` are made at a time.
        """
        return self.draw(self.mapping(z, label, truncation_psi, truncation_cutoff), noise, generator)

    def draw(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Tensor:
        """Images `[N, img_channels, R, R]` of w `[N, num_ws, w_dim]`; the arguments are those of `synthesis`.

        Any number of them: `images_at_once` are made at a time.
        """
        whole = torch.compiler.is_compiling() or self.synthesis.cuts_batches
        if whole or w.shape[0] <= self.images_at_once:
            image: Tensor = self.synthesis(w, noise, generator).image
            return image
        used = self.synthesis.layer_noise(w, noise, generator)  # of all samples: one stream for all of them
        fixed = isinstance(noise, str) and noise != "random"
        images = []
        for start in range(0, w.shape[0], self.images_at_once):
            piece = slice(start, start + self.images_at_once)
            own = noise if fixed else [x if x is None or len(x) == 1 else x[piece] for x in used]
            images.append(self.synthesis(w[piece], own).image)
        return torch.cat(images)


def _cut(random: np.random.RandomState, n: int, limit: float) -> NDArray[np.float64]:
    """Numbers `[n]` of a normal distribution that is cut at both sides: uniform ones, by its inverse."""
    below, above = torch.special.ndtr(torch.tensor([-limit, limit], dtype=torch.float64, device="cpu"))
    uniform = torch.from_numpy(random.uniform(size=n))
    numbers: NDArray[np.float64] = torch.special.ndtri(below + uniform * (above - below)).numpy()
    return numbers


def mix_styles(w1: Tensor, w2: Tensor, crossover: int) -> Tensor:
    """Style mixing (Karras et al. 2019, section 3.1): rows of `w1` before `crossover`, of `w2` from there on.

    Args:
        w1: `[N, num_ws, w_dim]`.
        w2: Other end, of the same shape.
        crossover: 0 to num_ws.

    Raises:
        ValueError: if the shapes differ or the crossover is out of range.
    """
    if w1.ndim != 3 or w1.shape != w2.shape:
        raise ValueError(
            f"Styles to mix have one shape [N, num_ws, w_dim]; got {list(w1.shape)}, {list(w2.shape)}."
        )
    if not 0 <= crossover <= w1.shape[1]:
        raise ValueError(f"crossover is 0 to {w1.shape[1]}; got {crossover}.")
    return torch.cat([w1[:, :crossover], w2[:, crossover:]], dim=1)
