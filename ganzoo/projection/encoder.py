"""Encoders in files: `config.json` and `model.safetensors`, and those that come with the package, packed."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo.features.networks import load_features
from ganzoo.models.entries import BundledSource
from ganzoo.models.packed import SCALE, bundled_file, unpack
from ganzoo.models.recipes import REGISTRY, read_yaml
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, read_json, write_weights
from ganzoo.projection.encoder_network import Encoder as Encoder
from ganzoo.projection.encoder_network import EncoderConfig as EncoderConfig
from ganzoo.system.files import replacing
from ganzoo.system.kinds import read_tensors
from ganzoo.system.paths import DIRECTORY, is_path, missing, user_path
from ganzoo.system.validation import from_mapping, plain, unknown
from ganzoo.system.version import __version__

ENCODERS = REGISTRY / "encoder"
RESULT = "encoder"  # folder within a run's
_SCHEMA_VERSION = 1
_KEYS = ("schema_version", "ganzoo_version", "module", "config")


@dataclass(frozen=True, kw_only=True)
class EncoderEntry:
    """One published encoder: `registry/encoder/<name>.yaml`.

    Args:
        name: Name of the file.
        summary: One line about it.
        models: Published models whose w it gives.
        config: Config, complete.
        source: Packed weights in the package.
        origin: Who trained it, on what.
        license: Licenses by part: weights, features, generator, data.
        measured: Figures on images that it never learnt from, each with what it was measured on.
    """

    name: str
    summary: str
    models: tuple[str, ...]
    config: EncoderConfig
    source: BundledSource
    origin: str
    license: Mapping[str, str]
    measured: Mapping[str, str]


def list_encoders() -> list[str]:
    """Names of published encoders, sorted."""
    return sorted(path.stem for path in ENCODERS.glob("*.yaml"))


def encoder_entry(name: str) -> EncoderEntry:
    """The registry's entry of a published encoder.

    Raises:
        ValueError: if there is none, or it has an unknown or missing key.
    """
    if name not in list_encoders():
        raise ValueError(unknown("encoder", name, list_encoders()))
    return from_mapping(EncoderEntry, read_yaml(ENCODERS / f"{name}.yaml"), "an encoder's entry")


def load_encoder(name: str, *, cache_dir: str | os.PathLike[str] | None = None) -> Encoder:
    """A published encoder, or that of a folder or a run, in eval mode on the CPU.

    Args:
        name: Name of `list_encoders`, or a folder that `save_encoder` or a run wrote.
        cache_dir: Folder of the feature network's weights; by default `~/.cache/ganzoo`.

    Raises:
        ValueError: for an unknown name, or files that do not fit each other.
        OSError: if a folder or the feature network's weights cannot be had.
    """
    if name in list_encoders():
        entry = encoder_entry(name)
        packed = read_tensors(bundled_file(entry.source))
        tensors = {key: unpack(key, packed) for key in packed if not key.endswith(SCALE)}
        return _assembled(entry.config, tensors, entry.source.file, cache_dir)
    folder = user_path(name.removeprefix(DIRECTORY))
    if not folder.is_dir():
        if is_path(name):
            raise FileNotFoundError(missing(folder))
        raise ValueError(unknown("encoder", name, list_encoders()))
    if (folder / RESULT / CONFIG_FILE).is_file():
        folder = folder / RESULT
    return _assembled(
        _read_config(folder / CONFIG_FILE), read_tensors(folder / WEIGHTS_FILE), folder, cache_dir
    )


def save_encoder(encoder: Encoder, directory: str | os.PathLike[str]) -> None:
    """Write `config.json` and `model.safetensors` into the directory, which is made if need be.

    The feature network is not written: its name stands in the config.
    """
    folder = user_path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(encoder, folder / WEIGHTS_FILE)
    data = {
        "schema_version": _SCHEMA_VERSION,
        "ganzoo_version": __version__,
        "module": "encoder",
        "config": plain(encoder.config),
    }
    with replacing(folder / CONFIG_FILE) as temporary:
        temporary.write_text(json.dumps(data, indent=2) + "\n")


def _read_config(path: Path) -> EncoderConfig:
    data = read_json(path)
    for key in data:
        if key not in _KEYS:
            raise ValueError(f"{path}: {unknown('key', key, _KEYS)}")
    if data.get("module") != "encoder":
        raise ValueError(f"{path.parent} holds no encoder, but a {data.get('module', 'generator')}.")
    if data.get("schema_version") != _SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema_version {data.get('schema_version')!r}; this ganzoo reads {_SCHEMA_VERSION}. "
            "Another version of ganzoo may read it."
        )
    try:
        return from_mapping(EncoderConfig, data["config"], "an encoder")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _assembled(config: EncoderConfig, tensors: Mapping[str, Tensor], source: Any, cache_dir: Any) -> Encoder:
    encoder = Encoder(config, load_features(config.features, cache_dir=cache_dir))
    try:
        encoder.load_state_dict({name: t.float() for name, t in tensors.items()}, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{source} does not fit its config: {' '.join(str(error).split())}") from error
    return encoder.eval()
