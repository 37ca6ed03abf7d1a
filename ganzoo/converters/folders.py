"""Networks that come as a folder: the files of a training run of BigGAN, or weights beside their config.json.

A file out of such a folder is read with what lies beside it, too.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.converters import biggan, huggingface
from ganzoo.system.kinds import CONFIG_FILE, WEIGHTS_FILE

KINDS = "G.pth or G_ema.pth with state_dict.pth (BigGAN-PyTorch), config.json with pytorch_model.bin"
_NETWORK = re.compile(r"(G_ema|G|D)((?!_optim)_.+)?\.pth")
_OPTIONS = "state_dict{}.pth"  # of a suffix, which may be empty
_WEIGHTS = (WEIGHTS_FILE, "pytorch_model.bin")
_MAX_FILES = 64
_MAX_CONFIG = 1 << 20


@dataclass(frozen=True)
class Opened:
    """What a folder's files hold.

    Attributes:
        contents: Contents of its networks, by their keys, or of the only one.
        files: Files that were read for each key, "" for the only network.
        told: Settings that the folder tells of each.
    """

    contents: Any
    files: Mapping[str, tuple[Path, ...]]
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def files_of(self, path: tuple[str, ...]) -> tuple[Path, ...]:
        """The files that a network at a place in the contents was read from."""
        return self.files[path[0] if path and path[0] in self.files else ""]


def open_folder(path: Path, read: Callable[[Path], Any]) -> Opened | None:
    """The networks of a folder, or of a file in one; None for anything else.

    Args:
        path: Folder or file.
        read: Opens a file.

    Raises:
        ValueError: for settings that no network here has.
        FileNotFoundError: for a config without its weights.
    """
    folder = path if path.is_dir() else path.parent
    networks = [path.name] if path.is_file() else sorted(p.name for p in folder.glob("*.pth"))
    found = {name.removesuffix(".pth"): m for name in networks if (m := _NETWORK.fullmatch(name))}
    options = {key: folder / _OPTIONS.format(m[2] or "") for key, m in found.items()}
    if found and (path.is_dir() or options[path.stem].is_file()):
        return _run(folder, found, options, read)
    config = _config(folder / CONFIG_FILE) if path.is_dir() or path.name in _WEIGHTS else None
    if not isinstance(config, dict) or not huggingface.is_config(config):
        return None
    weights = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not weights:
        raise FileNotFoundError(f"{folder} lacks {' or '.join(_WEIGHTS)}.")
    file = path if path.is_file() else weights[0]
    return Opened(read(file), {"": (file, folder / CONFIG_FILE)}, {"": huggingface.recorded(config)})


def _run(
    folder: Path, found: Mapping[str, re.Match[str]], options: Mapping[str, Path], read: Callable[[Path], Any]
) -> Opened:
    """The networks of a training run, and what each one's options tell."""
    if len(found) > _MAX_FILES:
        raise ValueError(f"There are more than {_MAX_FILES} networks: give one of the files.")
    contents: dict[str, Any] = {}
    files: dict[str, tuple[Path, ...]] = {}
    told: dict[str, Mapping[str, Any]] = {}
    known: dict[Path, Any] = {}
    for key, match in found.items():
        contents[key] = read(folder / f"{key}.pth")
        files[key] = (folder / f"{key}.pth",)
        if (own := options[key]).is_file():
            known[own] = state = known[own] if own in known else read(own)
            config = state.get("config") if isinstance(state, dict) else None
            if not isinstance(config, dict):
                raise ValueError(f"{own.name} holds no config, which the options of a training run are.")
            files[key] += (own,)
            told[key] = biggan.recorded(config, match[1][0])
    return Opened(contents, files, told)


def _config(path: Path) -> Any:
    """The contents of a config.json; None if there is none that can be read."""
    try:
        if path.stat().st_size > _MAX_CONFIG:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
