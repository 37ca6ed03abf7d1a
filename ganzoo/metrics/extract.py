"""Features of a set of images, in pieces that are kept: an interrupted run goes on where it stopped."""

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.data.resize import RESIZER
from ganzoo.features.networks import EXTRA, FeatureNetwork
from ganzoo.metrics.sets import Samples
from ganzoo.models.sources import default_cache_dir, writable_cache
from ganzoo.system.files import facts_digest, replacing
from ganzoo.system.paths import user_path
from ganzoo.system.version import __version__

PIECE = 64  # images; also the batch of the feature network
# What numpy raises for a .npz that is damaged, or none at all.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile, zlib.error)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Features of a set.

    Attributes:
        features: `[N, dim]`.
        logits: `[N, classes]` of the feature network's classifier.
    """

    features: Array
    logits: Array


def processes(device: str | torch.device) -> Any:
    """Accelerate's `PartialState`: how many processes there are, and which one this is.

    Raises:
        ImportError: without accelerate, with what to install.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError(EXTRA) from error
    return PartialState(cpu=torch.device(device).type == "cpu")


def extract(
    samples: Samples,
    network: FeatureNetwork,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Features:
    """Features of all images, in their order, whatever the number of processes.

    Under `accelerate launch` or `torchrun`, every process computes its share of the pieces; all of them get
    the whole.

    Args:
        samples: Images.
        network: Feature network on any device.
        cache_dir: Folder of the pieces; by default `~/.cache/ganzoo/features`.
        report: Function that is told the number of images that are done, at first and after every piece.

    Raises:
        ValueError: if an image cannot be read, or a feature is not finite.
    """
    from accelerate.utils import gather_object

    state = processes(network.mean.device)
    folder = _folder(samples, network, cache_dir)
    starts = range(0, len(samples), PIECE)
    own: dict[int, tuple[Array, Array]] = {}
    report(0)
    for start in starts[state.process_index :: state.num_processes]:
        indices = range(start, min(start + PIECE, len(samples)))
        own[start] = _piece(samples, network, indices, folder / f"{start:07d}.npz")
        report(len(own) * PIECE * state.num_processes)
    gathered: dict[int, tuple[Array, Array]] = dict(gather_object(list(own.items())))
    pieces = [gathered[start] for start in starts]
    return Features(*(np.concatenate([piece[k] for piece in pieces]) for k in (0, 1)))


def _piece(samples: Samples, network: FeatureNetwork, indices: range, path: Path) -> tuple[Array, Array]:
    """Features and logits of some images, from the cache if they are there."""
    if path.is_file():
        try:
            with path.open("rb") as piece, np.load(piece, allow_pickle=False) as data:
                kept = data["features"], data["logits"]
            if kept[0].shape[1:] == (network.info.dim,) and len(kept[0]) == len(kept[1]) >= len(indices):
                return kept[0][: len(indices)], kept[1][: len(indices)]
        except UNREADABLE:  # computed anew
            pass
    writable_cache(path.parent)
    pixels = torch.from_numpy(samples.read(indices, network.info.size)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        outputs = network(pixels.to(network.mean.device))
    features, logits = (output.float().cpu().numpy() for output in outputs)
    if not np.isfinite(features).all():
        raise ValueError(f"The feature network {network.info.name!r} gives features that are not finite.")
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, features=features, logits=logits)
    return features, logits


def _folder(samples: Samples, network: FeatureNetwork, cache_dir: str | os.PathLike[str] | None) -> Path:
    """Where the pieces lie: named by everything that decides on them, so that no two mix."""
    root = user_path(cache_dir) if cache_dir is not None else default_cache_dir()
    facts = [samples.protocol, network.info.to_dict(), network.mean.device.type, RESIZER, PIECE, __version__]
    return root / "features" / facts_digest(facts)[:16]
