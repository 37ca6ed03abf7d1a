"""Arguments of NVIDIA's constructors in a JSON file beside a state dict, which `convert --to nvidia` writes.

They hold what the tensors do not tell. A file of that name that is anything else is left alone.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENDING = ".json"
_MAX_BYTES = 1 << 20
_MARK = "img_resolution"  # an argument that every network of theirs has
# Settings of ours by the names of the arguments, in each of the dicts that the arguments lie in.
_OF_LAYERS = {"activation": "activation", "conv_clamp": "clamp"}
_OF_MAPPING = {"activation": "mapping_activation", "lr_multiplier": "lr_multiplier"}
_PLACES: Mapping[str, Mapping[str, str]] = {
    "": _OF_LAYERS,  # stylegan3 has those of the synthesis network at the top
    "synthesis_kwargs": _OF_LAYERS,
    "block_kwargs": _OF_LAYERS,
    "mapping_kwargs": _OF_MAPPING,
    "epilogue_kwargs": {"mbstd_group_size": "group_size"},
}


def beside(file: Path) -> Path:
    """Where the arguments of a file's networks lie."""
    return file.with_suffix(ENDING)


def recorded(file: Path, key: str) -> dict[str, Any]:
    """Settings that the arguments beside a file tell of a network; empty where there are none.

    Args:
        file: Checkpoint.
        key: Place of the network in it, such as "G_ema".
    """
    path = beside(file)
    try:
        if path == file or not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return {}
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    arguments = contents.get(key) if isinstance(contents, dict) else None
    if not isinstance(arguments, dict) or _MARK not in arguments:
        return {}
    found: dict[str, Any] = {}
    for place, names in _PLACES.items():
        there = arguments.get(place, {}) if place else arguments
        if isinstance(there, dict):
            found |= {ours: there[theirs] for theirs, ours in names.items() if theirs in there}
    return found
