"""Who is in an image: descriptors that lie close together for one person."""

import os

import torch
from torch import Tensor, nn

from ganzoo.faces.crops import face_crops, parts
from ganzoo.faces.networks import load_face_network

SAME_PERSON = 0.6  # distance up to which face-api calls two descriptors those of one person


class Recognition(nn.Module):
    """Images `[N, 3, H, H]` of FFHQ's crop, in -1..1, to descriptors `[N, 128]`."""

    def __init__(self, cache_dir: str | os.PathLike[str] | None = None) -> None:
        """Load the networks.

        Args:
            cache_dir: Folder of their weights; by default `~/.cache/ganzoo`.

        Raises:
            SourceError: if the weights cannot be had.
        """
        super().__init__()
        self.landmarks = load_face_network("face_landmark_68", cache_dir=cache_dir)
        self.identity = load_face_network("face_recognition", cache_dir=cache_dir)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.identity(face_crops(images, self.landmarks).images)
        return found


@torch.no_grad()
def descriptors(images: Tensor, *, batch: int = 16) -> Tensor:
    """Descriptors of faces, `[N, 128]`: two of one person are closer than about 0.6, in the L2 norm.

    Args:
        images: `[N, 3, H, H]` in -1..1, with FFHQ's crop.
        batch: Number of images at a time.

    Raises:
        SourceError: if the weights cannot be had.
    """
    recognition = Recognition().to(images.device)
    found = [recognition(part) for part in parts(images, batch)]
    return torch.cat(found)
