"""Where a projection starts, by name: the mean w, a seed, saved w, or what an encoder sees."""

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.latent.saved import load_w, same_mapping
from ganzoo.models.reference import Reference
from ganzoo.projection.encoder import encoder_entry, list_encoders, load_encoder
from ganzoo.system.paths import user_path

MEAN, ENCODER = "mean", "encoder"


@torch.no_grad()
def start_of(model: Reference, generator: Generator, images: Tensor, start: str) -> Tensor | None:
    """The w to start from, `[1 or N, num_ws, w_dim]`; None for the mean.

    Args:
        model: What the generator's name stands for.
        generator: Generator.
        images: `[N, C, R, R]` in -1..1, for an encoder.
        start: "mean", a seed, a file of w, "encoder" for the published one of this model, or the folder of
            another.

    Raises:
        ValueError: for anything else, or a w or an encoder of another mapping network.
    """
    if start == MEAN:
        return None
    if start.isascii() and start.isdecimal():
        w: Tensor = generator.mapping(generator.sample_z([int(start)]))
        return w
    if start == ENCODER:
        fitting = [name for name in list_encoders() if model.name in encoder_entry(name).models]
        if not fitting:
            raise ValueError(f"--start encoder: there is none for {model.name}. Give the folder of one.")
        return _encoded(model, generator, images, fitting[0])
    path = user_path(start)
    if path.is_dir():
        return _encoded(model, generator, images, start)
    if not path.exists():
        raise ValueError(f"--start is {MEAN}, {ENCODER}, a seed, or a file of w; got {start!r}.")
    return load_w(path, generator).w


def _encoded(model: Reference, generator: Generator, images: Tensor, name: str) -> Tensor:
    encoder = load_encoder(name, cache_dir=model.cache_dir).to(images.device)
    if encoder.config.w_dim != generator.w_dim or not same_mapping(encoder.mapping.tolist(), generator):
        raise ValueError(f"{name} gives w of another model: its mapping network is not this one's.")
    w: Tensor = encoder(images)[:, : generator.num_ws]
    lacking = generator.num_ws - w.shape[1]  # of an encoder for a smaller member of the family
    return torch.cat([w, w[:, -1:].expand(-1, lacking, -1)], dim=1)
