"""Files a trained encoder in the registry: its weights in the package, packed, and its entry.

    python tools/file_encoder.py runs/encoder mobilestylegan_ffhq_encoder --models "mobilestylegan_ffhq*" \
        --summary "Faces to w"

Writes `ganzoo/models/bundled/NAME.safetensors` and `registry/encoder/NAME.yaml`, and overwrites them. The
figures in the entry are those of the run's result.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

import ganzoo
from ganzoo.models.packed import BUNDLED, write_packed
from ganzoo.models.published import model_entry
from ganzoo.projection.encoder import ENCODERS, Encoder, encoder_entry, load_encoder
from ganzoo.system.files import sha256
from ganzoo.system.validation import plain


def file_encoder(folder: Path, name: str, *, models: str, summary: str) -> None:
    """Write the files of a published encoder.

    Args:
        folder: Folder of its run.
        name: Published name.
        models: Published models whose w it gives, by a wildcard.
        summary: One line about it.
    """
    encoder = load_encoder(str(folder))
    result = json.loads((folder / "result.json").read_text())
    path = BUNDLED / f"{name}.safetensors"
    write_packed(encoder, path)
    entry = {
        "name": name,
        "summary": summary,
        "models": _fitting(encoder, models),
        "config": plain(encoder.config),
        "source": {"file": path.name, "sha256": sha256(path), "bytes": path.stat().st_size},
        "origin": (
            f"Trained by the ganzoo authors on {result['settings']['cache']['images']} images of "
            f"{result['teacher']}, on the frozen features of {encoder.config.features}"
        ),
        "license": _licenses(result["teacher"]),
        "measured": {
            key: f"{figure['value']:.4g}, {result['definitions'][key]}; {result['held_out']} images of "
            f"{result['teacher']}, {result['date']}"
            for key, figure in result["figures"].items()
        },
    }
    ENCODERS.mkdir(exist_ok=True)
    head = f"# {summary}. ganzoo/projection/encoder.py\n"
    (ENCODERS / f"{name}.yaml").write_text(head + OmegaConf.to_yaml(entry))
    assert encoder_entry(name).config == encoder.config
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB; answers move by {_moved(encoder, name):.2%}")


def _fitting(encoder: Encoder, pattern: str) -> list[str]:
    found = []
    for name in ganzoo.list_models(pattern):
        encoder.check(ganzoo.create(name))
        found.append(name)
    return found


def _licenses(teacher: str) -> dict[str, str]:
    own = model_entry(teacher).license
    return {
        "weights": own["weights"],
        "features": "EfficientNet-Lite, Apache-2.0; not in this file",
        "generator": f"{teacher}, {own['weights']}; {own['teacher']}",
        "data": own["data"],
    }


@torch.inference_mode()
def _moved(encoder: Encoder, name: str) -> float:
    """How far packing moves the answers, as a share of their length."""
    x: Any = encoder.mean + torch.randn(
        64, encoder.config.dim, generator=torch.Generator().manual_seed(0)
    ) / (encoder.scale * encoder.config.dim**0.5)
    a, b = encoder.answer(x), load_encoder(name).answer(x)
    return float((a - b).norm() / a.norm())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--models", required=True)
    parser.add_argument("--summary", required=True)
    file_encoder(**vars(parser.parse_args()))
