"""Golden files: what a model's weights must give, so that a copy of them can be proved on any machine.

`golden.safetensors` lies beside the weights. It holds a latent, the w that the mapping network makes of
it, and what is needed to recognise two images of that w: one with the noise that is saved with the
weights, one with noise drawn from a seed. Images of the same weights differ by up to 7e-4 of a range of 2
between engines and machines; other weights or other arithmetic differ by far more than is allowed.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.system.files import replacing
from ganzoo.system.kinds import open_tensors

GOLDEN_FILE = "golden.safetensors"
WEIGHTS_KEY = "weights_sha256"
SCHEMA_VERSION = "1"
TRUNCATION_PSI = 0.7
LATENT_SEED = NOISE_SEED = 0
NOISES = ("const", "random")
CROP = 32  # side of the crops, from the middle and from the upper left corner
TOLERANCE = 5e-3  # of the largest value in the record, or of 1


def write_golden(generator: Generator, path: Path, weights_sha256: str) -> None:
    """Write the golden file of a generator on the CPU; it appears whole or not at all."""
    z, label = _inputs(generator)
    tensors = {"z": z, **_outputs(generator, z, label)}
    if label is not None:
        tensors["label"] = label
    metadata = {
        "format": "pt",
        "schema_version": SCHEMA_VERSION,
        WEIGHTS_KEY: weights_sha256,
        "truncation_psi": str(TRUNCATION_PSI),
        "noise_seed": str(NOISE_SEED),
    }
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def check_golden(generator: Generator, path: Path, weights_sha256: str) -> float:
    """How far the generator's w and images are from a golden file, at most, as a share of their range.

    Raises:
        ValueError: if the file is damaged, was made of other weights, or they are further off than allowed.
    """
    recorded, metadata = _read(generator, path)
    if metadata.get(WEIGHTS_KEY) != weights_sha256:
        raise ValueError(f"{path} was made of other weights: it proves nothing about these.")
    found = _outputs(generator, recorded["z"], recorded.get("label"))
    worst = 0.0
    for name, tensor in found.items():
        expected = recorded[name]
        off = (tensor - expected).abs().max().item() / max(1.0, expected.abs().max().item())
        if not off <= TOLERANCE:  # a NaN is off, too
            raise ValueError(
                f"The weights beside {path} give other images than those recorded there: {name} is off by "
                f"{off:.2g} of its range, allowed {TOLERANCE}."
            )
        worst = max(worst, off)
    return worst


def _inputs(generator: Generator) -> tuple[Tensor, Tensor | None]:
    """A latent, and the first class of a conditional network."""
    label = torch.eye(1, generator.label_dim) if generator.label_dim else None
    return generator.sample_z(1, LATENT_SEED), label


@torch.inference_mode()
def _outputs(generator: Generator, z: Tensor, label: Tensor | None) -> dict[str, Tensor]:
    """The w of a latent, and crops, means and deviations of its images."""
    w = generator.mapping(z, label, TRUNCATION_PSI)
    found = {"w": w}
    side = min(CROP, generator.resolution)
    start = (generator.resolution - side) // 2
    for noise in NOISES:
        random = torch.Generator().manual_seed(NOISE_SEED) if noise == "random" else None
        image = generator.synthesis(w, noise, random).image[0]
        middle = image[:, start : start + side, start : start + side]
        found[f"{noise}.crops"] = torch.stack([middle, image[:, :side, :side]])
        found[f"{noise}.mean"] = image.mean(dim=(1, 2))
        found[f"{noise}.std"] = image.std(dim=(1, 2), correction=0)
    return found


def _read(generator: Generator, path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """Tensors and metadata of a golden file that fits the generator; nothing else is read into memory."""
    side, channels = min(CROP, generator.resolution), generator.img_channels
    expected = {"z": [1, generator.z_dim], "w": [1, generator.num_ws, generator.w_dim]}
    if generator.label_dim:
        expected["label"] = [1, generator.label_dim]
    for noise in NOISES:
        expected[f"{noise}.crops"] = [2, channels, side, side]
        expected[f"{noise}.mean"] = expected[f"{noise}.std"] = [channels]
    with open_tensors(path) as file:
        metadata = file.metadata() or {}
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        found = {n: list(s.get_shape()) for n, s in slices.items() if s.get_dtype() == "F32"}
        version = metadata.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ValueError(f"{path} has schema_version {version!r}; this ganzoo reads {SCHEMA_VERSION!r}.")
        if found != expected or len(slices) != len(found):
            raise ValueError(f"{path} is not the golden file of this architecture.")
        return {name: file.get_tensor(name) for name in expected}, metadata
