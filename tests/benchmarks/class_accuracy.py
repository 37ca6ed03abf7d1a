"""Prints how well the classes of a conditional generator are told apart, beside those of real images.

    python tests/benchmarks/class_accuracy.py runs/biggan/generator images.zip [--sheet classes.png]

Each class has a mean of features of real images; an image counts as of the class whose mean is nearest.
Half of the set's images make the means. The other half, which they know nothing of, says how much is
possible.
The sheet has a row for each class.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import ganzoo
from ganzoo.features.networks import load_features
from ganzoo.system.images import to_images
from ganzoo.training.held_out import features_of
from ganzoo.training.images import TrainingImages

COLUMNS = 12


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator", help="Name or folder of a model with classes.")
    parser.add_argument("data", help="Images that it learnt from, with their classes.")
    parser.add_argument("--count", type=int, default=50, help="Generated images of a class.")
    parser.add_argument("--real", type=int, default=200, help="Real images of a class, at most.")
    parser.add_argument("--features", default="efficientnet_lite1")
    parser.add_argument("--sheet", type=Path, help="File for a sheet, PNG or JPEG.")
    arguments = parser.parse_args()
    generator = ganzoo.create(arguments.generator, pretrained=True)
    network = load_features(arguments.features)
    data = TrainingImages(arguments.data, generator.resolution, img_channels=generator.img_channels)
    data.fill(shown=True)
    labels = data.labels_of(range(data.count)).argmax(dim=1)
    means, real = {}, {}
    for k in range(generator.label_dim):
        numbers = np.random.RandomState(0).permutation(torch.where(labels == k)[0])[: arguments.real].tolist()
        found = features(network, data.samples(numbers))
        means[k], real[k] = found[::2].mean(axis=0), found[1::2]
    table = np.stack([means[k] for k in means])
    made, rows = {}, []
    for k in means:
        label = torch.eye(generator.label_dim)[[k] * arguments.count]
        images = generator(generator.sample_z(arguments.count, seed=1000 * k), label)
        made[k] = features(network, images)
        rows.append(images[:COLUMNS])
    result: dict[str, dict[str, float]] = defaultdict(dict)
    names = data.class_names or [str(k) for k in means]
    for kind, images_of in (("real", real), ("generated", made)):
        for k, own in images_of.items():
            nearest = ((own[:, None] - table) ** 2).sum(axis=2).argmin(axis=1)
            result[kind][names[k]] = round(float((nearest == k).mean()), 3)
        result[kind]["all"] = round(float(np.mean(list(result[kind].values()))), 3)
    print(json.dumps(result, indent=1))
    if arguments.sheet:
        draw(torch.stack(rows), arguments.sheet)


def features(network, images: torch.Tensor) -> np.ndarray:
    """Features `[N, dim]` of images `[N, C, H, W]`."""
    return np.concatenate([features_of(network, part) for part in images.split(32)])


def draw(rows: torch.Tensor, path: Path, scale: int = 2) -> None:
    """Write a sheet of images `[classes, columns, C, H, W]`, each as large as `scale` says."""
    count, columns, _, side, _ = rows.shape
    sheet = Image.new("RGB", (columns * side * scale, count * side * scale))
    for i, image in enumerate(to_images(rows.flatten(0, 1))):
        place = (i % columns * side * scale, i // columns * side * scale)
        sheet.paste(Image.fromarray(np.asarray(image)).resize((side * scale,) * 2, Image.NEAREST), place)
    sheet.save(path)


if __name__ == "__main__":
    main()
