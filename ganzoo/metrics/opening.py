"""What names to measure stand for: a model's images, or files."""

import os

from ganzoo.generators.deploy import deploy
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.saved import SUFFIX
from ganzoo.metrics.sets import FileSamples, GeneratedSamples, Samples
from ganzoo.models.reference import Folder, HubModel, Name, Reference, reference
from ganzoo.models.weights import weights_digest


def refuse_absent(name: Name) -> None:
    """Raise ValueError or OSError for a name that is neither a model nor a file; fetches nothing."""
    model = reference(name)
    is_file = isinstance(model, Folder) and model.path.suffix == SUFFIX and model.path.is_file()
    if not is_file and not isinstance(model, HubModel) and not _is_set(model):
        model.config()


def open_samples(
    name: Name,
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
    model = reference(name, cache_dir)
    if isinstance(model, Folder) and _is_set(model):
        return FileSamples(model.path)
    generator = model.load().to(device)
    return GeneratedSamples(
        generator if sampling.eager else deploy(generator),
        sampling,
        name=model.name,
        sha256=weights_digest(generator),
    )


def _is_set(model: Reference) -> bool:
    """Whether a name may be one of a set of images."""
    if not isinstance(model, Folder) or model.is_model:
        return False
    return model.path.is_dir() or (model.path.suffix.lower() == ".zip" and model.path.is_file())
