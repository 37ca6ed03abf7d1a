"""What names to measure stand for: a model's images, or files."""

import os
from pathlib import Path

from ganzoo.generators.deploy import deploy
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.saved import SUFFIX
from ganzoo.metrics.sets import FileSamples, GeneratedSamples, Samples
from ganzoo.models.factory import DIR, config_of, create, list_models, resolve
from ganzoo.models.folders import find_model
from ganzoo.models.hub_names import is_hub_name
from ganzoo.models.weights import weights_digest
from ganzoo.system.paths import missing, user_path


def refuse_absent(name: str) -> None:
    """Raise ValueError or OSError for a name that is neither a model nor a file; fetches nothing."""
    path = user_path(name.removeprefix(DIR))
    if path.suffix.lower() in (".zip", SUFFIX):
        if not path.exists():
            raise FileNotFoundError(missing(name))
    elif not path.is_dir() and not is_hub_name(name):
        config_of(resolve(name))


def open_samples(
    name: str,
    sampling: Sampling,
    *,
    device: str = "cpu",
    cache_dir: str | os.PathLike[str] | None = None,
) -> Samples:
    """The images that a name stands for: a model's, drawn as `sampling` says, or files, taken whole.

    Args:
        name: Name of a model, or a folder or zip of images.
        sampling: How a model's images are drawn.
        device: Device that the model runs on.
        cache_dir: Folder for downloaded weights.

    Raises:
        ValueError: for an unknown name, images that cannot be used, or a sampling that the model lacks.
    """
    path = Path(name.removeprefix(DIR))
    is_model = find_model(path) is not None or name in list_models() or is_hub_name(name)
    if not is_model and (path.is_dir() or path.suffix.lower() == ".zip"):
        return FileSamples(path)
    generator = create(resolve(name), pretrained=True, device=device, cache_dir=cache_dir)
    return GeneratedSamples(
        generator if sampling.eager else deploy(generator),
        sampling,
        name=name,
        sha256=weights_digest(generator),
    )
