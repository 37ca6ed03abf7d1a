"""Features of a set of pictures, in pieces that are kept: an interrupted run goes on where it stopped."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.data.resize import RESIZER
from ganzoo.files import replacing
from ganzoo.metrics.features import FeatureNetwork
from ganzoo.metrics.sets import Samples
from ganzoo.sources import default_cache_dir

PIECE = 64  # pictures; also the batch of the feature network
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


def extract(
    samples: Samples,
    network: FeatureNetwork,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Features:
    """Features of all pictures, in their order, whatever the number of processes.

    Under `accelerate launch` or `torchrun`, every process computes its share of the pieces; all of them get
    the whole.

    Args:
        samples: the pictures.
        network: on any device.
        cache_dir: where the pieces are kept; by default `~/.cache/ganzoo/features`.
        report: called with the number of pictures that are done, after every piece of this process.
    """
    from accelerate import PartialState
    from accelerate.utils import gather_object

    state = PartialState(cpu=network.mean.device.type == "cpu")
    folder = _folder(samples, network, cache_dir)
    starts = range(0, len(samples), PIECE)
    own: dict[int, tuple[Array, Array]] = {}
    for start in starts[state.process_index :: state.num_processes]:
        indices = range(start, min(start + PIECE, len(samples)))
        own[start] = _piece(samples, network, indices, folder / f"{start:07d}.npz")
        report(len(own) * PIECE * state.num_processes)
    gathered: dict[int, tuple[Array, Array]] = dict(gather_object(list(own.items())))
    pieces = [gathered[start] for start in starts]
    return Features(*(np.concatenate([piece[k] for piece in pieces]) for k in (0, 1)))


def _piece(samples: Samples, network: FeatureNetwork, indices: range, path: Path) -> tuple[Array, Array]:
    """Features and logits of some pictures, from the cache if they are there."""
    if path.is_file():
        try:
            with np.load(path) as data:
                kept = data["features"], data["logits"]
            if len(kept[0]) >= len(indices):
                return kept[0][: len(indices)], kept[1][: len(indices)]
        except (OSError, ValueError, KeyError, EOFError):  # half a file: computed anew
            pass
    pixels = torch.from_numpy(samples.read(indices, network.info.size)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        outputs = network(pixels.to(network.mean.device))
    features, logits = (output.float().cpu().numpy() for output in outputs)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, features=features, logits=logits)
    return features, logits


def _folder(samples: Samples, network: FeatureNetwork, cache_dir: str | os.PathLike[str] | None) -> Path:
    """Where the pieces lie: named by everything that decides on them, so that no two mix."""
    root = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    key = json.dumps([samples.protocol, asdict(network.info), RESIZER, PIECE], sort_keys=True)
    folder = root / "features" / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
