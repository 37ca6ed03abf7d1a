"""Numbers that say what a face looks like: smile, age, gender, pose, glasses.

They come from small networks and from landmarks, and serve to find directions: their order is meant, not
their value. Who uses them to judge people misuses them.
"""

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.faces.crops import face_crops, parts
from ganzoo.faces.networks import EXPRESSIONS, load_face_network

SCORES = {  # what grows with each
    "smile": "log-odds of the expression `happy`",
    "age": "years",
    "gender": "log-odds of male against female",
    "yaw": "nose to the image's right of the eyes' middle, in distances between the eyes",
    "pitch": "nose below the eyes, as a part of the way to the mouth: a lowered head",
    "mouth_open": "gap between the lips, in distances between the eyes",
    "glasses": "edges that lie across the bridge of the nose and below the eyes, against those of the cheeks",
}
_STEPS = 24  # samples each way of a part of the face
_DARK = 0.01  # so that an even image has a logarithm


class FaceScores(nn.Module):
    """Images `[N, 3, H, H]` of FFHQ's crop, in -1..1, to the numbers of `SCORES`, each `[N]`."""

    def __init__(self, cache_dir: str | os.PathLike[str] | None = None) -> None:
        """Load the networks.

        Args:
            cache_dir: Folder of their weights; by default `~/.cache/ganzoo`.

        Raises:
            SourceError: if the weights cannot be had.
        """
        super().__init__()
        self.landmarks = load_face_network("face_landmark_68", cache_dir=cache_dir)
        self.age_gender = load_face_network("age_gender", cache_dir=cache_dir)
        self.expressions = load_face_network("face_expression", cache_dir=cache_dir)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        crops = face_crops(images, self.landmarks, 112)
        age, gender = self.age_gender(crops.images)
        logits = self.expressions(crops.images)
        others = [i for i, name in enumerate(EXPRESSIONS) if name != "happy"]
        happy = logits[:, EXPRESSIONS.index("happy")]
        return {
            "smile": happy - logits[:, others].logsumexp(dim=1),
            "age": age,
            "gender": gender[:, 0] - gender[:, 1],
            **_pose(crops.points),
            "glasses": _glasses(crops.seen, crops.points),
        }


@torch.no_grad()
def face_scores(images: Tensor, *, batch: int = 16) -> dict[str, Tensor]:
    """The numbers of `SCORES` for images of faces, each `[N]`.

    Args:
        images: `[N, 3, H, H]` in -1..1, with FFHQ's crop.
        batch: Number of images at a time.

    Raises:
        SourceError: if the weights cannot be had.
    """
    network = FaceScores().to(images.device)
    found = [network(part) for part in parts(images, batch)]
    return {name: torch.cat([part[name] for part in found]) for name in SCORES}


def _frame(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The eyes' middle, their distance `[N, 1]`, unit vectors to the right and down the face."""
    left, right = points[:, 36:42].mean(dim=1), points[:, 42:48].mean(dim=1)
    apart = (right - left).norm(dim=1, keepdim=True)
    across = (right - left) / apart
    return (left + right) / 2, apart, across, torch.stack([-across[:, 1], across[:, 0]], dim=1)


def _pose(points: Tensor) -> dict[str, Tensor]:
    """Yaw, pitch and the mouth's gap, from landmarks `[N, 68, 2]`."""
    eyes, apart, across, down = _frame(points)
    nose, mouth = points[:, 30] - eyes, points[:, 48:60].mean(dim=1) - eyes
    gap = points[:, 65:68].mean(dim=1) - points[:, 61:64].mean(dim=1)
    return {
        "yaw": (nose * across).sum(dim=1) / apart[:, 0],
        "pitch": (nose * down).sum(dim=1) / (mouth * down).sum(dim=1),
        "mouth_open": (gap * down).sum(dim=1) / apart[:, 0],
    }


def _glasses(images: Tensor, points: Tensor) -> Tensor:
    """Logarithm of the steepest line across the nose's bridge and below the eyes; see `SCORES`."""
    bridge = _steepest(images, points, (-0.13, 0.13), (-0.22, 0.22))
    left = _steepest(images, points, (-0.65, -0.35), (0.18, 0.55))
    right = _steepest(images, points, (0.35, 0.65), (0.18, 0.55))
    return (bridge + (left + right) / 2).add(_DARK).log()


def _steepest(images: Tensor, points: Tensor, x: tuple[float, float], y: tuple[float, float]) -> Tensor:
    """Largest change of brightness down a part of the face, given in distances between the eyes: `[N]`."""
    eyes, apart, across, down = _frame(points)
    columns = torch.linspace(*x, _STEPS, dtype=points.dtype, device=points.device)
    rows = torch.linspace(*y, _STEPS, dtype=points.dtype, device=points.device)
    place = (
        columns[None, None, :, None] * across[:, None, None] + rows[None, :, None, None] * down[:, None, None]
    )
    grid = (eyes[:, None, None] + apart[:, None, None] * place) * 2 - 1
    grey = images.mean(dim=1, keepdim=True)
    patch = F.grid_sample(grey, grid, mode="bilinear", padding_mode="border", align_corners=False)
    change = patch.mean(dim=(1, 3)).diff(dim=1).abs() / (y[1] - y[0])
    return change.amax(dim=1)
