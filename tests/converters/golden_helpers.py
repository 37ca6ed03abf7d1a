"""The networks of the golden files, and how each array that the originals computed is computed here."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import golden_stylegan
import golden_stylegan3
import numpy as np
import pytest
import torch
from helpers import styled_layers
from torch import Tensor

import ganzoo
from ganzoo.converters.conversion import Conversion, convert_with_account
from ganzoo.converters.rows import from_layout, to_layout

GOLDEN = Path(__file__).parents[1] / "golden"
Arrays = Mapping[str, Tensor]
Outputs = Mapping[str, Callable[[torch.nn.Module, Arrays], Tensor]]


@dataclass(frozen=True, eq=False)
class Golden:
    """A network of a golden file, and what the original computed with it."""

    paths: tuple[Path, ...]
    part: str
    expected: Path
    outputs: Outputs  # by the array's name: the network and the file's arrays to what must match
    assume: Mapping[str, Any] = field(default_factory=dict)
    unseen: str = ""  # pattern of the names of tensors that no array shows

    def __str__(self) -> str:
        assumed = "".join(f"-{name}-{value}" for name, value in self.assume.items())
        return f"{self.paths[0].name}-{self.part}{assumed}"

    @property
    def arrays(self) -> Arrays:
        return load(self.expected)

    @property
    def recorded(self) -> pytest.MarkDecorator:
        """Skips a test whose expected arrays are not among the fixtures."""
        reason = f"{self.expected.name} is not among the fixtures"
        return pytest.mark.skipif(not self.expected.is_file(), reason=reason)

    def account(self) -> Conversion:
        return convert_with_account(self.paths, self.part, assume=self.assume)

    def convert(self) -> torch.nn.Module:
        return self.account().module


@cache
def load(path: Path) -> Arrays:
    arrays = np.load(path).items()
    return {name: torch.from_numpy(array) for name, array in arrays if array.dtype.kind != "U"}


def noise(e: Arrays) -> list[Tensor]:
    """The given noise, one tensor a layer; MobileStyleGAN stacks that of a level's two layers."""
    given = [e[name] for name in (f"noise_{i}" for i in range(9)) if name in e]
    return [layer for level in given for layer in (level if level.ndim == 5 else [level])]


def label(e: Arrays, n: int | None = None, name: str = "c") -> Tensor | None:
    return e[name][:n] if name in e else None


def rows(G, w: Tensor) -> Tensor:
    return w[:, None].expand(-1, G.num_ws, -1)


def with_mean(G, mean: Tensor):
    """A copy with another mean style: training files of rosinality have none."""
    G = copy.deepcopy(G)
    G.mapping.w_avg.copy_(mean.reshape(-1))
    return G


def mixed(e: Arrays, G) -> Tensor:
    return ganzoo.mix_styles(G.mapping(e["z"]), G.mapping(e["z2"]), int(e["inject_index"]))


def own_rows(e: Arrays, name: str, level: int | None = None) -> Tensor:
    return from_layout(e[name], "mobilestylegan", resolution=32, level=level)


NVIDIA_EMA: Outputs = {
    "img_ws_random_const": lambda G, e: G.synthesis(e["ws_random"]).image,
    "img_psi07_const": lambda G, e: G(e["z"][:1], label(e, 1), truncation_psi=0.7),
    "img_const": lambda G, e: G.synthesis(e["ws"]).image,
    "img_none": lambda G, e: G.synthesis(e["ws"], noise="none").image,
    "ws": lambda G, e: G.mapping(e["z"], label(e)),
    "ws_psi07": lambda G, e: G.mapping(e["z"], label(e), 0.7),
    "ws_psi07_cutoff": lambda G, e: G.mapping(e["z"], label(e), 0.7, int(e["truncation_cutoff"])),
    "w_avg": lambda G, e: G.mapping.w_avg,
}
NVIDIA_RAW: Outputs = {"img_G_const": lambda G, e: G(e["z"][:1], label(e, 1))}
NVIDIA_D: Outputs = {
    "d_logits_first1": lambda D, e: D(e["d_images"][:1], label(e, 1, "d_c")),
    "d_logits": lambda D, e: D(e["d_images"], label(e, None, "d_c")),
}
ROSINALITY_EMA: Outputs = {
    "img_w_plus": lambda G, e: G.synthesis(e["w_plus"], noise(e)).image,
    "img_z_buffers": lambda G, e: G(e["z"]),
    "img_w_noise": lambda G, e: G.synthesis(rows(G, e["w"]), noise(e)).image,
    "img_w_nonoise": lambda G, e: G.synthesis(rows(G, e["w"][:1]), "none").image,
    "img_z_trunc05": lambda G, e: G(e["z"], truncation_psi=0.5, noise=noise(e)),
    "img_mix": lambda G, e: G.synthesis(mixed(e, G), noise(e)).image,
    "latents_mix": lambda G, e: mixed(e, G),
    "w": lambda G, e: G.mapping(e["z"])[:, 0],
    "w2": lambda G, e: G.mapping(e["z2"])[:, 0],
    "truncation_latent": lambda G, e: G.mapping.w_avg[None],
}
# The file has no mean style: the original was given one.
ROSINALITY_TRAINING: Outputs = {
    **{name: output for name, output in ROSINALITY_EMA.items() if name != "truncation_latent"},
    "img_z_trunc05": lambda G, e: with_mean(G, e["truncation_latent"])(
        e["z"], truncation_psi=0.5, noise=noise(e)
    ),
}
ROSINALITY_RAW: Outputs = {"img_z_buffers": lambda G, e: G(e["z"])}
ROSINALITY_D: Outputs = {
    "d_logits_first1": lambda D, e: D(e["d_images"][:1]),
    "d_logits_first2": lambda D, e: D(e["d_images"][:2]),
    "d_logits": lambda D, e: D(e["d_images"]),
}
STUDENT: Outputs = {
    "student_img_w": lambda S, e: S.synthesis(rows(S, e["w"]), noise(e)).image,
    **{
        f"student_freq_{i}_w": lambda S, e, i=i: S.synthesis(rows(S, e["w"]), noise(e)).levels[i]
        for i in range(3)
    },
    "student_img_wplus": lambda S, e: S.synthesis(own_rows(e, "w_plus"), noise(e)).image,
    **{
        f"student_freq_{i}_wplus": lambda S, e, i=i: S.synthesis(
            own_rows(e, "w_plus", level=i), noise(e)
        ).levels[i]
        for i in range(3)
    },
    "student_img_truncated": lambda S, e: S.synthesis(own_rows(e, "style_truncated"), noise(e)).image,
    "style_truncated": lambda S, e: to_layout(S.mapping(e["z"][:1], truncation_psi=0.5), "mobilestylegan"),
    "w": lambda S, e: S.mapping(e["z"])[:, 0],
}
TEACHER_PAIR: Outputs = {
    "teacher_img_w": lambda G, e: G.synthesis(rows(G, e["w"]), noise(e)).image,
    **{
        f"teacher_rgb_{i}_w": lambda G, e, i=i: G.synthesis(rows(G, e["w"]), noise(e)).levels[i]
        for i in range(4)
    },
    "w": lambda G, e: G.mapping(e["z"])[:, 0],
}
# The distiller's mapping network and mean style are its teacher's, too.
TEACHER: Outputs = {**TEACHER_PAIR, "style_truncated": STUDENT["style_truncated"]}
CONVERTED_TEACHER: Outputs = {
    "img": lambda G, e: G.synthesis(rows(G, e["w"]), noise_of_the_raw_generator()).image,
    "w": lambda G, e: G.mapping(e["z"])[:, 0],
}
MOBILESTYLEGAN_D: Outputs = {
    "d_logits_real": lambda D, e: D(e["gt_img"]),
    "d_logits_fake": lambda D, e: D(e["pred_img"]),
}


def classes(e: Arrays, network, name: str = "y", *, n: int | None = None, step: int = 0) -> Tensor:
    """One-hot labels of an array's classes, or of those that many steps further on."""
    return torch.eye(network.config.label_dim)[(e[name][:n] + step) % network.config.label_dim]


def in_train_mode(network, *calls, see=lambda network, result: result):
    """What is to be seen of a copy after calls in train mode, the last one's result among it."""
    network = copy.deepcopy(network).train()
    results = [network(*inputs) for inputs in calls]
    return see(network, results[-1] if results else None)


def trained_buffer(name: str):
    def see(G, e):
        return in_train_mode(G, (e["z"], classes(e, G)), see=lambda G, _: G.get_buffer(name))

    return see


def at_truncation(psi: float):
    """An image of z as it is, with the statistics of a truncation: the original scales z beforehand."""

    def image(G, e):
        w = G.mapping(e["z"], e["class_vector"])
        w[:, :, -1] = psi
        return G.synthesis(w).image

    return image


def first_linear(G):
    return G.synthesis.levels[0].linear


BIGGAN_EMA: Outputs = {
    "img": lambda G, e: G(e["z"], classes(e, G)),
    "shared_y": lambda G, e: G.mapping(e["z"], classes(e, G))[:, 0, :8],
    "train_buffer/linear.u0": lambda G, e: trained_buffer("synthesis.levels.0.linear.u")(G, e)[None],
    "train_buffer/linear.sv0": lambda G, e: in_train_mode(G, see=lambda G, _: first_linear(G).sigma()[None]),
}
BIGGAN_32_EMA: Outputs = {
    **BIGGAN_EMA,
    "img_class_interp": lambda G, e: G(e["z"][:1], (classes(e, G, n=1) + classes(e, G, n=1, step=1)) / 2),
    "img_train": lambda G, e: in_train_mode(G, (e["z"], classes(e, G)))[:2],
    "train_buffer/blocks.0.0.bn1.stored_mean": trained_buffer("synthesis.levels.1.blocks.0.norm1.mean"),
    "train_buffer/blocks.0.0.bn1.stored_var": trained_buffer("synthesis.levels.1.blocks.0.norm1.variance"),
}
BIGGAN_64_EMA: Outputs = {
    **BIGGAN_EMA,
    "train_buffer/blocks.0.0.bn1.stored_mean": trained_buffer("synthesis.levels.0.blocks.0.norm1.mean"),
    "train_buffer/blocks.0.0.bn1.stored_var": trained_buffer("synthesis.levels.0.blocks.0.norm1.variance"),
}
BIGGAN_RAW: Outputs = {
    "img_G": lambda G, e: G(e["z"], classes(e, G))[: len(e["img_G"])],
}
BIGGAN_D: Outputs = {
    "d_logits_real": lambda D, e: D(e["d_images"], classes(e, D, "d_y")),
    "d_logits_fake": lambda D, e: D(e["img"], classes(e, D)),
    "d_logits_other_class": lambda D, e: D(e["d_images"], classes(e, D, "d_y", step=1)),
    "d_logits_train": lambda D, e: in_train_mode(D, *[(e["d_images"], classes(e, D, "d_y"))] * 2),
}
BIGGAN_HF: Outputs = {
    "embed": lambda G, e: G.mapping(e["z"], e["class_vector"])[:, 0, 8:16],
    "cond_vector": lambda G, e: G.mapping(e["z"], e["class_vector"])[:, 0, :16],
    # the original has the channels last here
    "gen_z": lambda G, e: first_linear(G)(e["cond_vector"]).view(3, 64, 4, 4).permute(0, 2, 3, 1).flatten(1),
    "layer0": lambda G, e: G.synthesis.levels[1].blocks[0](
        first_linear(G)(e["cond_vector"]).view(3, 64, 4, 4),
        [(e["cond_vector"], torch.full((3,), 0.4))] * 6,
    ),
    **{f"img_t{name}": at_truncation(psi) for name, psi in (("0p4", 0.4), ("0p43", 0.43), ("0p58", 0.58))},
    "img_t1": lambda G, e: G(e["z"], e["class_vector"]),
}


@cache
def noise_of_the_raw_generator() -> list[Tensor]:
    """The constant noise of the generator that the teacher was converted from, whose own files have none."""
    G = ganzoo.convert(GOLDEN / "rosinality" / "ros_train_32.pt", part="generator")
    return [layer.noise.const for layer in styled_layers(G)]


def _nvidia(name: str) -> list[Golden]:
    paths, expected = (GOLDEN / f"nvidia_pkl/{name}.pkl",), GOLDEN / f"nvidia/{name}_expected.npz"
    averaged = {k: v for k, v in NVIDIA_EMA.items() if k != "img_none" or "stylegan3t" not in name}
    parts = {"generator_ema": averaged, "generator": NVIDIA_RAW, "discriminator": NVIDIA_D}
    return [Golden(paths, part, expected, outputs) for part, outputs in parts.items()]


def _stylegan3(name: str, turns: int) -> list[Golden]:
    """The networks of a snapshot, whose images were recorded at so many transforms of the input, too."""
    paths, expected = (GOLDEN / f"stylegan3/{name}.pkl",), GOLDEN / f"stylegan3/{name}_expected.npz"
    parts = golden_stylegan3.outputs(turns)
    return [Golden(paths, part, expected, outputs) for part, outputs in parts.items()]


def _network(
    names: list[str], part: str, expected: str, outputs: Outputs, *, unseen: str = "", **assume: Any
) -> Golden:
    return Golden(tuple(GOLDEN / name for name in names), part, GOLDEN / expected, outputs, assume, unseen)


def _pair(name: str, outputs: Outputs) -> Golden:
    halves = [f"mobilestylegan/{name}_{half}.ckpt" for half in ("mapping", "synthesis")]
    return _network(halves, "teacher", f"mobilestylegan/{name}_expected.npz", outputs)


def _stylegan(name: str, part: str, outputs: Outputs, **others: Any) -> Golden:
    expected = f"stylegan1/{name.rpartition('.')[0]}_expected.npz"
    return _network([f"stylegan1/{name}"], part, expected, outputs, **others)


def _genforce() -> list[Golden]:
    """The networks of genforce's files, and those as they would be while they grow."""
    found = []
    for name, outputs, lods, told, last in (
        ("sg1_gf_fused_16.pth", golden_stylegan.GENFORCE_16, [1], {"fused_scale": True}, 2),
        ("sg1_gf_train_32.pth", golden_stylegan.GENFORCE_32, [0.4, 1, 2.25], {}, 3),
    ):
        lower = [rf"synthesis\.output[0-{level}]\.\w+" for level in range(last)]
        raw, unseen = rf"truncation\.w_avg|{lower[-1]}", lower[0] if last == 2 else ""
        found.append(_stylegan(name, "generator_ema", outputs, unseen=unseen, **told))
        found.append(_stylegan(name, "generator", golden_stylegan.GENFORCE_RAW, unseen=raw, **told))
        found.append(_stylegan(name, "discriminator", golden_stylegan.GENFORCE_D))
        for lod in lods:
            images, logits = golden_stylegan.faded(lod)
            below = rf"truncation\.w_avg{'' if lod % 1 else f'|{lower[-2]}'}"
            found.append(_stylegan(name, "generator_ema", images, unseen=below, lod=lod, **told))
            found.append(_stylegan(name, "discriminator", logits, lod=lod))
    return found


def _rosinality() -> list[Golden]:
    """The networks of rosinality's files of StyleGAN at some steps, whole or while a level is faded in."""
    trained, running = "sg1_ros_train.model", "sg1_ros_unfused_running.model"
    others = r"generator\.to_rgb\.[{}]\..*"
    ema, raw, plain = golden_stylegan.ROSINALITY_FUSED, golden_stylegan.ROSINALITY_RAW, "generator"
    found = [
        _stylegan(trained, "generator_ema", ema, unseen=others.format(4), step=5),
        _stylegan(trained, "generator", raw, unseen=others.format("01"), step=2),
        _stylegan(running, plain, golden_stylegan.ROSINALITY_UNFUSED, unseen=others.format("0134"), step=5),
    ]
    for name, part, alpha in (
        (trained, "generator_ema", 0),
        (trained, "generator_ema", 0.3),
        (running, plain, 0),
        (running, plain, 0.6),
    ):
        last = r"generator\.(progression|to_rgb)\.2\.(?!conv1\.2).*" if alpha == 0 else ""
        images = golden_stylegan.fading(alpha)
        found.append(_stylegan(name, part, images, unseen=last, step=2, alpha=alpha))
    for step in (0, 1, 3, 5):
        found.append(_stylegan(trained, "discriminator", golden_stylegan.judged(step), step=step))
    for step in (1, 3, 5):
        logits = golden_stylegan.judged(step, alpha=True)
        found.append(_stylegan(trained, "discriminator", logits, step=step, alpha=0.3))
    return found


# A matrix of one column has one norm, whatever vector its iteration begins with. And the one channel within
# block 6 of the raw generator is below 0 all over the golden images: what makes it does not show.
_ONE_COLUMN = r"blocks\.[67]\.0\.conv4\.u0"
_UNSEEN = {
    ("aj_deep_64", "generator_ema"): _ONE_COLUMN,
    (
        "aj_deep_64",
        "generator",
    ): rf"{_ONE_COLUMN}|blocks\.6\.0\.(conv[12]\..*|conv3\.(weight|u0)|bn[123]\..*)",
}


def _biggan(name: str, ema: Outputs) -> list[Golden]:
    parts = {"generator_ema": ema, "generator": BIGGAN_RAW, "discriminator": BIGGAN_D}
    path, expected = [f"biggan/{name}"], f"biggan/{name}/expected.npz"
    return [
        _network(path, part, expected, outputs, unseen=_UNSEEN.get((name, part), ""))
        for part, outputs in parts.items()
    ]


HF = "biggan/hf_deep_16"
ROS_32, ROS_64 = ["rosinality/ros_train_32.pt"], ["rosinality/ros_convert_64_cm1.pt"]
DISTILLER, MSG = ["mobilestylegan/msg_32_distiller.ckpt"], "mobilestylegan/msg_32_expected.npz"
NETWORKS = [
    *_nvidia("ada_uncond_skip_32"),
    *_nvidia("ada_cond_skip_32"),
    *_nvidia("ada_resnet_32"),
    *_nvidia("sg3repo_stylegan2_32"),
    *_nvidia("sg3repo_stylegan3t_32"),
    *_stylegan3("sg3_r_16", turns=2),
    *_stylegan3("sg3_t_cond_32", turns=3),
    _network(ROS_32, "generator_ema", "rosinality/ros_train_32_expected.npz", ROSINALITY_TRAINING),
    _network(ROS_32, "generator", "rosinality/ros_train_32_g_expected.npz", ROSINALITY_RAW),
    _network(ROS_32, "discriminator", "rosinality/ros_train_32_expected.npz", ROSINALITY_D),
    _network(ROS_64, "generator_ema", "rosinality/ros_convert_64_cm1_expected.npz", ROSINALITY_EMA),
    _network(DISTILLER, "student", MSG, STUDENT),
    _network(DISTILLER, "teacher", MSG, TEACHER),
    _network(DISTILLER, "discriminator", "losses/msg_32_losses.npz", MOBILESTYLEGAN_D),
    _pair("msg_32", TEACHER_PAIR),
    _pair("msg_teacher_from_ros_train_32", CONVERTED_TEACHER),
    *_genforce(),
    *_rosinality(),
]
NETWORKS += [*_biggan("aj_biggan_32", BIGGAN_32_EMA), *_biggan("aj_deep_64", BIGGAN_64_EMA)]
NETWORKS += [_network([HF], "generator", f"{HF}/expected.npz", BIGGAN_HF)]
GENERATORS = [network for network in NETWORKS if network.part != "discriminator"]
