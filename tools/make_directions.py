"""The directions that come with mobilestylegan_ffhq: made from scores of its images, and measured.

    python tools/make_directions.py draw FOLDER --count 4000     # scores of images; goes on where it was
    python tools/make_directions.py fit FOLDER                   # registry/directions and latent/bundled
    python tools/make_directions.py measure FOLDER --count 200   # on new seeds: the table of docs/faces.md

A score's direction is where it rises: ridge regression of the score on w. On 248 images of the family's
lite member, its correlation with scores of other images was 0.76 for smile and 0.80 for gender, where support
vector machines on the tenths at both ends reached 0.59 and 0.76.

The log-odds of gender level off: along their own direction they fell for one image in eight, all of them men.
Along the direction of their exponent, in which such images count most, they fall for one in eleven.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import ganzoo
from ganzoo.faces.identity import Recognition
from ganzoo.faces.scores import SCORES, FaceScores
from ganzoo.generators.generator import Generator
from ganzoo.latent.boundary import conditioned
from ganzoo.latent.direction import Direction, Directions
from ganzoo.latent.directions import BUNDLED, SHIPPED, read_file, write_directions
from ganzoo.latent.editing import edit
from ganzoo.latent.saved import fingerprint

MODEL, DRAWN_BY = "mobilestylegan_ffhq", "mobilestylegan_ffhq_256_lite"
FILE = f"{MODEL}_faces"
PSI = 0.8  # of the images that are scored
BATCH = 8
RIDGE = 2.0  # in mean variances of w
LEVELS_OFF = {"gender": 3.0}  # scores that hardly rise at the top: their exponent is fitted, in these units
SEED, NEW_SEED = 424242, 515151
ORIGIN = "scores of @vladmandic/face-api 1.7.15, whose training images are not stated"
LICENSE = "MIT (scores)"
# direction: the score that it raises, rows, what is seen to change, scores that it is to leave alone
BOUNDARIES: dict[str, tuple[str, tuple[int, int] | None, str, tuple[str, ...]]] = {
    "smile": ("smile", (0, 8), "a smile", ("age", "gender", "yaw", "pitch", "glasses")),
    "age": ("age", (0, 8), "age", ("gender", "smile", "yaw", "pitch", "glasses")),
    "gender": (
        "gender",
        (0, 8),
        "from female to male",
        ("age", "smile", "yaw", "pitch", "glasses", "mouth_open"),
    ),
    "yaw": ("yaw", (0, 6), "the head turns to the right of the image", ("age", "gender", "smile", "pitch")),
    "pitch": ("pitch", (0, 6), "the head is lowered", ("age", "gender", "smile", "yaw")),
    "glasses": ("glasses", (0, 8), "glasses, on most people", ("smile", "yaw", "pitch")),
}


@torch.no_grad()
def draw(folder: Path, count: int) -> None:
    """Write w, scores and images' seeds; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    generator, scores = ganzoo.deploy(ganzoo.create(DRAWN_BY)), FaceScores()
    w = sampled(generator, count, SEED)
    done = list(load(folder)) if (folder / "scores.npy").is_file() else []
    while len(done) < count:
        batch = w[len(done) : len(done) + BATCH]
        done += torch.stack(list(scores(drawn(generator, truncated(generator, batch, PSI))).values()), dim=1)
        np.save(folder / "scores.npy", torch.stack(done).numpy())
        print(len(done), "of", count, flush=True)


def load(folder: Path) -> Tensor:
    """Scores `[N, scores]`."""
    return torch.from_numpy(np.load(folder / "scores.npy"))


def sampled(generator: Generator, count: int, seed: int) -> Tensor:
    """W `[count, w_dim]`, untruncated."""
    z = generator.sample_z(count, seed=seed)
    return torch.cat([generator.mapping(part)[:, 0] for part in z.split(256)])


def truncated(generator: Generator, w: Tensor, psi: float) -> Tensor:
    """W of every row, `[N, num_ws, w_dim]`."""
    w = generator.mapping.w_avg + psi * (w - generator.mapping.w_avg)
    return w[:, None].repeat(1, generator.num_ws, 1)


def drawn(generator: Generator, w: Tensor) -> Tensor:
    """Images of w, a few at a time."""
    return torch.cat([generator.synthesis(part).image for part in w.split(BATCH)])


def slope(w: Tensor, scores: Tensor, name: str) -> Direction:
    """The direction along which a score rises: ridge regression, scaled to length 1."""
    x = (w - w.mean(dim=0)).double()
    y, method = scores.double(), "ridge regression"
    if name in LEVELS_OFF:
        y, method = (y / LEVELS_OFF[name]).exp(), f"{method} of exp(score/{LEVELS_OFF[name]:g})"
    y = y - y.mean()
    scatter = x.T @ x / len(x)
    penalty = RIDGE * scatter.diagonal().mean() * torch.eye(len(scatter), dtype=x.dtype)
    vector = torch.linalg.solve(scatter + penalty, x.T @ y / len(x))
    vector = vector / vector.norm()
    return Direction(name, vector, float((x @ vector).std()), None, {"method": f"{method}, {len(w)} w"})


@torch.no_grad()
def fit(folder: Path) -> None:
    """Write the directions."""
    generator, scores = ganzoo.create(DRAWN_BY, pretrained=True), load(folder)
    w = sampled(generator, max(4000, len(scores)), SEED)
    slopes = {name: slope(w[: len(scores)], scores[:, i], name) for i, name in enumerate(SCORES)}
    found = []
    for name, (score, rows, changes, kept) in BOUNDARIES.items():
        own = conditioned(slopes[score], [slopes[other] for other in kept], w)
        facts = {"changes": changes, "origin": ORIGIN, "license": LICENSE, "method": own.facts["method"]}
        found.append(Direction(name, own.vector, own.deviation, rows, facts))
        print(
            name,
            "deviation",
            round(own.deviation, 3),
            "of the slope's own",
            round(slopes[score].deviation, 3),
        )
    whole = Directions(tuple(found), fingerprint(generator), MODEL)
    write_directions(SHIPPED / f"{FILE}.yaml", whole, BUNDLED / f"{FILE}.safetensors")


@torch.no_grad()
def measure(folder: Path, count: int, strength: float = 2.0) -> None:
    """Write what every boundary does to new images, as a table that grows with every batch."""
    generator = ganzoo.deploy(ganzoo.create(DRAWN_BY))
    directions = read_file(SHIPPED / f"{FILE}.yaml", BUNDLED / f"{FILE}.safetensors")
    scores, recognition = FaceScores(), Recognition()
    w = truncated(generator, sampled(generator, count, NEW_SEED), 0.7)

    def looked(points: Tensor) -> Tensor:
        images = drawn(generator, points)
        return torch.cat([torch.stack(list(scores(images).values()), dim=1), recognition(images)], dim=1)

    found: dict[str, list[Tensor]] = {name: [] for name in ("before", *BOUNDARIES)}
    for batch in w.split(BATCH):
        found["before"].append(looked(batch))
        for name in BOUNDARIES:
            found[name].append(looked(edit(batch, directions[name], strength)))
        whole = {name: torch.cat(parts) for name, parts in found.items()}
        text = table(whole, load(folder).std(dim=0))
        (folder / "table.md").write_text(text)
        print(text, flush=True)


def table(found: dict[str, Tensor], spread: Tensor) -> str:
    """What edits do: scores that go the right way, distances of descriptors, and mean changes of all scores.

    Args:
        found: Scores and descriptors `[N, scores + 128]` of the images before, and after every edit.
        spread: Deviation of every score over images, `[scores]`.
    """
    names, many = list(SCORES), len(SCORES)
    before = found["before"]
    strangers = torch.pdist(before[:, many:])
    lines = [
        f"Measured on {len(before)} new images; strangers among them are {strangers.mean():.2f} apart.",
        "",
        "| direction | right way | identity | " + " | ".join(names) + " |",
        "|---|---|---|" + "---|" * many,
    ]
    for name, (score, *_) in BOUNDARIES.items():
        difference = found[name] - before
        right = (difference[:, names.index(score)] > 0).float().mean()
        moved = difference[:, many:].norm(dim=1).mean()
        cells = " | ".join(f"{x:+.2f}" for x in (difference[:, :many].mean(dim=0) / spread).tolist())
        lines.append(f"| {name} | {right:.0%} | {moved:.2f} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("step", choices=["draw", "fit", "measure"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    if options.step == "fit":
        fit(options.folder)
    else:
        {"draw": draw, "measure": measure}[options.step](options.folder, options.count)


if __name__ == "__main__":
    main()
