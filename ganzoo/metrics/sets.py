"""Sets of images to measure: what a generator makes of a range of seeds, or files."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.data.reading import ImageSet
from ganzoo.data.resize import resize, to_uint8
from ganzoo.generators.generator import Generator
from ganzoo.metrics.sampling import Sampling
from ganzoo.models.weights import weights_digest
from ganzoo.system.files import facts_digest
from ganzoo.system.images import OVER_WHITE, check_channels, to_images, to_rgb

Images = NDArray[np.float32]  # [N, size, size, 3] in 0..255


class Samples(ABC):
    """Numbered images of one size, and what a record says of them.

    Attributes:
        name: Name as the user gave it.
        protocol: All that decides on the images, for records and for the names of caches.
    """

    name: str
    protocol: dict[str, Any]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, indices: Sequence[int], size: int) -> Images:
        """Images of these numbers, resized as `ganzoo.data.resize` does."""


class GeneratedSamples(Samples):
    """Images of a generator, each made from its own seed alone, rounded to 8 bits.

    Grey is three equal channels; what is transparent is laid over white, which the protocol says.

    Args:
        generator: Generator as created or deployed, on any device.
        sampling: Seeds of the images, and how each is drawn.
        name: Name for the record.
        sha256: Hash of the weights; None computes it, which a deployed generator cannot.

    Raises:
        ValueError: for a number of channels that no image file has, or a resolution out of range; when they
            are made, for images that are not finite.
    """

    def __init__(
        self, generator: Generator, sampling: Sampling, *, name: str, sha256: str | None = None
    ) -> None:
        check_channels(generator.img_channels, name)
        side = sampling.resolution
        if side is not None and not 1 <= side <= generator.resolution:
            raise ValueError(f"resolution is 1 to {generator.resolution} for {name}; got {side}.")
        self.generator = generator
        self.sampling = sampling
        self.name = name
        self.resolution = side or generator.resolution
        self.protocol = {
            "kind": "generator",
            "sha256": sha256 or weights_digest(generator),
            "config": facts_digest(generator.config.to_dict()),
            "form": generator.form,
            "first_seed": sampling.seed,
            "truncation_psi": sampling.truncation_psi,
            "truncation_cutoff": sampling.truncation_cutoff,
            "noise": sampling.noise,
            "labels": "in turn" if generator.label_dim else None,
            "resolution": self.resolution,
            "bits": 8,
        }
        if generator.img_channels == 4:  # said of these alone: records of other models keep their protocol
            self.protocol["alpha"] = OVER_WHITE

    def __len__(self) -> int:
        return self.sampling.num

    @torch.inference_mode()
    def read(self, indices: Sequence[int], size: int) -> Images:
        device, how = self.generator.device, self.sampling
        images = []
        for i in indices:  # one at a time: on a CPU, larger batches are slower
            seed = how.seed + i
            label = None
            if self.generator.label_dim:
                label = torch.zeros(1, self.generator.label_dim, device=device)
                label[0, seed % self.generator.label_dim] = 1
            noise = torch.Generator().manual_seed(seed) if how.noise == "random" else None
            z = self.generator.sample_z([seed])
            image = self.generator(z, label, how.truncation_psi, how.truncation_cutoff, how.noise, noise)
            if not torch.isfinite(image).all():
                raise ValueError(f"The image of seed {seed} by {self.name} is not finite.")
            pixels = np.asarray(to_images(to_rgb(image.clamp(-1, 1)))[0])
            if self.resolution != pixels.shape[0]:
                pixels = to_uint8(resize(pixels, self.resolution))
            images.append(resize(pixels, size))
        return np.stack(images)


class FileSamples(Samples):
    """All images of a folder or a zip file, in the order of their names.

    The hash of the whole set names the cache of its features: a set that gains an image is computed anew,
    since the numbers by which the cache's pieces go belong to other images then. What is transparent is
    laid over white, which the protocol of a set with alpha says.

    Raises:
        ValueError: for an empty set, or, when they are read, images of different sizes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.images = ImageSet(path)
        self.name = os.fspath(path)
        self.size = self.images.read(0).size
        self.protocol = {"kind": "files", "sha256": self.images.sha256, "resolution": list(self.size)}
        if any(self.images.has_alpha(i) for i in range(len(self.images))):
            self.protocol["alpha"] = OVER_WHITE

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: Sequence[int], size: int) -> Images:
        return np.stack([self._read(i, size) for i in indices])

    def _read(self, index: int, size: int) -> Images:
        image = self.images.read(index)
        if image.size != self.size:
            (w, h), (w0, h0) = image.size, self.size
            name, first = self.images.names[index], self.images.names[0]
            raise ValueError(
                f"{self.name}: {name} has {w} x {h} pixels, {first} has {w0} x {h0}. Bring them to one size "
                "first: ganzoo data prepare."
            )
        return resize(image, size)
