"""Files a trained generator in the registry: its weights in the package, its entry, a draft of its card.

    python tools/file_model.py runs/first mobilestylegan_ffhq_256 --base mobilestylegan_ffhq \
        --summary "Faces of 256 x 256, a member of mobilestylegan_ffhq's family"

    python tools/file_model.py runs/avatars stylegan2_lorelei_64 --recipe stylegan2 \
        --data "Lorelei, CC0 1.0" --summary "Drawn heads" --origin "Trained by the ganzoo authors on avatars"

Writes `ganzoo/models/bundled/NAME.safetensors`, `registry/model/NAME.yaml` and, where there is none yet,
`hub_cards/NAME.md` with its image of pairs. It overwrites the first two, so that it can be run again.
"""

import argparse
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate

import ganzoo
from ganzoo.blocks import KINDS
from ganzoo.cards import published as cards
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.lean import without_auxiliary_heads
from ganzoo.models import packed, published
from ganzoo.models.cost import costs
from ganzoo.models.delta import MAX_BYTES, read_delta, write_delta
from ganzoo.models.entries import ModelEntry
from ganzoo.models.recipes import compose, read_yaml
from ganzoo.models.weights import published_digest
from ganzoo.system.files import sha256
from ganzoo.training.sheets import pair_sheet

PSI, SEEDS, TOLERANCE = 0.7, (0, 1), 0.002
PAIRS = 8
PROSE = """{summary}.

![{pairs} pairs of faces]({name}.jpg)

Seeds 0 to {last}, truncation psi {psi}, constant noise; in every pair the image of `{teacher}`, scaled
down, on the left and this model's on the right.

**Intended use.** Faces of this size without the cost of a larger network; previews of a seed; demos in a
browser or on a phone. Not for passing a generated face off as a person.

**Lineage.** `{teacher}` was distilled by Sergei Belousov from NVIDIA's StyleGAN2 network for FFHQ, which is
under a license that allows no commercial use, and the FFHQ images are under Creative Commons licenses of
which several exclude it, too. Whether that binds what was distilled twice is not settled: decide for
yourself before commercial use.

**Known faults.** Those of `{teacher}`, whose images it learnt. Faces of children and of people with dark skin
are rarer than in the world, as in FFHQ.
"""


TRAINED = """{summary}.

![Samples]({name}.jpg)

Seeds 0 to {last}, truncation psi {psi}, constant noise.

**Intended use.** Trying ganzoo; a small teacher that learns and exports in minutes.

**Known faults.** Look at the images.
"""


def file_model(
    folder: str | Path,
    name: str,
    *,
    summary: str,
    base: str | None = None,
    teacher: str | None = None,
    recipe: str = "mobilestylegan",
    origin: str | None = None,
    data: str | None = None,
) -> ModelEntry:
    """The entry of a trained generator, after all its files were written.

    Args:
        folder: Folder of the generator, or of its run. Auxiliary heads are left out.
        name: Published name.
        summary: One line about it.
        base: Published model of which the weights are a difference; None packs them whole.
        teacher: Published model that it learnt from (default: the base).
        recipe: Recipe from which its config differs least.
        origin: Who trained it, from which teacher, on which data (default: told from the teacher's entry).
        data: License of the images that it learnt from, of a model without a teacher.

    Raises:
        ValueError: if the recipe is one of another architecture, or nothing says what the model learnt from.
    """
    source = teacher or base
    if source is None and not (data and origin):
        raise ValueError("Name --base, or --teacher, or --data and --origin: licenses are told by them.")
    generator = without_auxiliary_heads(ganzoo.load(folder))
    path = packed.BUNDLED / f"{name}.safetensors"
    if base is None:
        packed.write_packed(generator, path)
        found = packed.read_packed(generator.config, path)
    else:
        began = ganzoo.create(base)
        write_delta(generator, began, path, base_name=base)
        found = read_delta(generator.config, began, path)
    entry_file = published.MODELS / f"{name}.yaml"
    license, origin = _lineage(source, base, data, origin)
    entry_file.write_text(_entry(found, path, name, summary, base, license, recipe, origin))
    entry = ModelEntry.from_dict(read_yaml(entry_file))
    if GeneratorConfig.from_dict(compose(entry.recipe, entry.overrides)) != found.config:
        raise ValueError(f"{entry_file} does not give the config in {folder}.")
    _card(found, name, summary, source)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {_psnr(generator, found):.1f} dB from {folder}")
    if path.stat().st_size > MAX_BYTES:
        print(f"It is larger than {MAX_BYTES / 1e6:g} MB: train fewer levels, or narrower ones.")
    print(f"Now measure it, once a metric: ganzoo eval {name} … --out registry/measured/{name}.jsonl")
    return entry


def _lineage(
    teacher: str | None, base: str | None, data: str | None, origin: str | None
) -> tuple[dict[str, str], str]:
    """Licenses by part, and the origin in a sentence."""
    if teacher is None:
        return {"weights": "Apache-2.0", "data": str(data)}, str(origin)
    whole = published.model_entry(teacher)
    if origin is None:
        began = ", whose weights it began with" if base == teacher else ""
        origin = (
            f"Trained by the ganzoo authors, distilled from {teacher}{began}; that one was {whole.origin}"
        )
        origin = origin.replace("was Trained", "was trained")
    before = f"; its own teacher {whole.license['teacher']}" if "teacher" in whole.license else ""
    license = {
        "weights": whole.license["weights"],
        "teacher": f"{teacher}, {whole.license['weights']}{before}",
        "data": whole.license["data"],
    }
    return license, origin


def _entry(
    generator: Generator, path: Path, name: str, summary: str, base: str | None, license: Mapping[str, str],
    recipe: str, origin: str,
) -> str:  # fmt: skip
    """The YAML of an entry, by hand: comments and short lists are there to be read."""
    counted = costs(generator.config, deployed=False)
    lines = [
        f"# {summary}. ganzoo/models/{'packed' if base is None else 'delta'}.py",
        f"name: {name}",
        f"summary: {_plain(summary)}",
        f"recipe: {recipe}",
        *_mapping("overrides", _overrides(generator.config, recipe)),
        *([f"base: {base}"] if base is not None else []),
        "sources:",
        f"  - file: {path.name}",
        f"    sha256: {sha256(path)}",
        f"    bytes: {path.stat().st_size}",
        "origin: >-",
        *textwrap.wrap(origin, 118, initial_indent="  ", subsequent_indent="  "),
        *_mapping("license", license),
        *_mapping("parameters", {part: cost.parameters for part, cost in counted.items()}),
        *_mapping("macs", {part: cost.macs for part, cost in counted.items()}),
        f"weights_sha256: {published_digest(generator)}",
        *_mapping("golden", _golden(generator)),
    ]
    return "\n".join(lines) + "\n"


def _mapping(key: str, values: Mapping[str, Any]) -> list[str]:
    if not values:
        return [f"{key}: {{}}"]
    return [f"{key}:", *(f"  {k}: {_plain(v)}" for k, v in values.items())]


def _plain(value: Any) -> str:
    """A value in YAML: text without quotes where it needs none, all else on its line."""
    return value if isinstance(value, str) and ": " not in value and " #" not in value else json.dumps(value)


def _overrides(config: GeneratorConfig, recipe: str) -> dict[str, Any]:
    """Settings in which a config differs from a recipe; a block by its name where that says all."""
    own, overrides = GeneratorConfig.from_dict(compose(recipe)).to_dict(), dict[str, Any]()
    for key, value in config.to_dict().items():
        if key == "generator" and value != own[key]:
            raise ValueError(f"The recipe {recipe!r} is one of {own[key]}, not of {value}.")
        if value == own.get(key):
            continue
        if key in KINDS:
            plain = GeneratorConfig.from_dict({**own, key: compose(recipe, {key: value["name"]})[key]})
            value = value["name"] if plain.to_dict()[key] == value else dict(value)
        overrides[key] = list(value) if isinstance(value, tuple) else value
    return overrides


@torch.inference_mode()
def _golden(generator: Generator) -> dict[str, Any]:
    images = [generator(generator.sample_z(1, seed), truncation_psi=PSI)[0] for seed in SEEDS]
    return {
        "seeds": list(SEEDS),
        "truncation_psi": PSI,
        "mean": [[round(value, 4) for value in image.mean(dim=(1, 2)).tolist()] for image in images],
        "std": [[round(value, 4) for value in image.std(dim=(1, 2)).tolist()] for image in images],
        "tolerance": TOLERANCE,
    }


@torch.inference_mode()
def _psnr(a: Generator, b: Generator) -> float:
    """By how many dB two generators' images agree, range 2, mean over images."""
    z = a.sample_z(PAIRS, seed=0)
    errors = [(a(row[None]) - b(row[None])).square().mean() for row in z]
    return float((10 * (4 / torch.stack(errors).clamp(min=1e-12)).log10()).mean())


@torch.inference_mode()
def _card(generator: Generator, name: str, summary: str, teacher: str | None) -> None:
    """Image of pairs beside the teacher, or of samples, and a draft of the prose where there is none yet."""
    prose = cards.CARDS / f"{name}.md"
    if teacher is None:
        images = [generator(generator.sample_z(1, seed), truncation_psi=PSI) for seed in range(4 * PAIRS)]
        sheet = generator.to_pil(torch.cat(images)).sheet()
        sheet.convert("RGB").save(cards.CARDS / f"{name}.jpg", quality=88)
        if not prose.exists():
            prose.write_text(TRAINED.format(summary=summary, name=name, last=4 * PAIRS - 1, psi=PSI))
        return
    other, pairs = ganzoo.create(teacher), list[list[torch.Tensor]]()
    for seed in range(PAIRS):
        theirs, own = (g(g.sample_z(1, seed), truncation_psi=PSI) for g in (other, generator))
        pairs.append([interpolate(theirs, generator.resolution, mode="area"), own])
    left, right = (torch.cat(images) for images in zip(*pairs, strict=True))
    pair_sheet(left, right).save(cards.CARDS / f"{name}.jpg", quality=88)
    if not prose.exists():
        prose.write_text(
            PROSE.format(summary=summary, name=name, teacher=teacher, pairs=PAIRS, last=PAIRS - 1, psi=PSI)
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("name")
    parser.add_argument("--summary", required=True)
    for option in ("--base", "--teacher", "--origin", "--data"):
        parser.add_argument(option)
    parser.add_argument("--recipe", default="mobilestylegan")
    file_model(**vars(parser.parse_args()))
