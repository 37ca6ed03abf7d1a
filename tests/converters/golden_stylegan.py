"""How each array that the originals of StyleGAN (2019) computed is computed here."""

from functools import partial

import torch
import torch.nn.functional as F

import ganzoo

# Inputs of the originals, in their files beside what they gave.
GIVEN = {"mean_style_z", "style_weight", "noise_tile", "crossover", "d_small_5", "trunc_psi", "trunc_layers"}
GIVEN |= {"wp_random", "mix_cutoff", *(f"d_images_{step}" for step in (0, 1, 3))}


def enlarged(x, side=None):
    """Pixels repeated, once or up to a side."""
    return F.interpolate(x, size=2 * x.shape[-1] if side is None else side)


# genforce


def truncated(G, e):
    return G.mapping(e["z"], None, float(e["trunc_psi"]), int(e["trunc_layers"]))


def grown(G, e, lod):
    """The image of a network that still grows, at the side of the grown one."""
    levels = G.synthesis(e["wp"]).levels
    whole, share = int(lod), 1 - lod % 1
    image = levels[-1 - whole]
    if share < 1:
        image = share * image + (1 - share) * enlarged(levels[-2 - whole])
    return enlarged(image, levels[-1].shape[-1])


def style(G, e, row):
    """As the originals have it, without the 1 of the factors."""
    layer = [layer for level in G.synthesis.levels for layer in level.layers][row]
    found = layer.adain.style(e["wp_random"][:, row])
    return found - F.pad(torch.ones(found.shape[1] // 2), (0, found.shape[1] // 2))


def mixed(G, e):
    return ganzoo.mix_styles(e["wp"], e["wp"].flip(0), int(e["mix_cutoff"]))


def genforce(lods, last):
    return {
        "w": lambda G, e: G.mapping(e["z"])[:, 0],
        "wp": lambda G, e: G.mapping(e["z"]),
        "w_avg": lambda G, e: G.mapping.w_avg,
        "wp_truncated": truncated,
        "img": lambda G, e: G(e["z"]),
        "img_truncated": lambda G, e: G.synthesis(truncated(G, e)).image,
        "img_truncated_all": lambda G, e: G(e["z"], truncation_psi=float(e["trunc_psi"])),
        "img_wp_random": lambda G, e: G.synthesis(e["wp_random"]).image,
        "img_mixed": lambda G, e: G.synthesis(mixed(G, e)).image,
        **{f"style{row:02d}": partial(style, row=row) for row in (0, last)},
        **{f"img_lod{name}": partial(grown, lod=lod) for name, lod in lods.items()},
    }


GENFORCE_32 = genforce({"0p4": 0.4, "1": 1, "2p25": 2.25}, last=7)
GENFORCE_16 = genforce({"1": 1}, last=5)
GENFORCE_RAW = {"img_G": lambda G, e: G(e["z"])}
GENFORCE_D = {
    "d_logits": lambda D, e: D(e["d_images"]),
    "d_logits_first_half": lambda D, e: D(e["d_images"][:2]),
}


def faded(lod):
    """A network that was told how many levels its image lacks; it is as large as it has grown."""
    side = 2 ** int(lod)
    name = str(lod).replace(".", "p")
    return {f"img_lod{name}": lambda G, e: enlarged(G(e["z"]), e["img"].shape[-1])}, {
        f"d_logits_lod{name}": lambda D, e: D(F.avg_pool2d(e["d_images"], side))
    }


# rosinality


def rows(G, w):
    return w[:, None].expand(-1, G.num_ws, -1)


def noise(e, G):
    """The levels' noise: what the file gives, and for larger ones its tile repeated."""
    sides = [size[0] for size in G.synthesis.noise_sizes]
    small = {e[f"noise_{i}"].shape[-1]: e[f"noise_{i}"] for i in range(4)}
    tile = e["noise_tile"]
    return [small[s] if s < 64 else tile.repeat(1, 1, s // 16, s // 16) for s in sides]


def at(step, G, e, w=None, given=None):
    """The image of a step."""
    w = rows(G, G.mapping(e["z"])[:, 0]) if w is None else w
    return G.synthesis(w, noise(e, G) if given is None else given).levels[step]


def step5(G, e, show):
    return show(at(5, G, e))


def mean_and_deviation(image):
    return torch.stack([image.mean(dim=(2, 3)), image.std(dim=(2, 3))], dim=2)


def mean_style(G, e):
    return G.mapping(e["mean_style_z"])[:, :1].mean(dim=0)


def truncated_style(G, e, name="z"):
    mean = mean_style(G, e)
    return mean + e["style_weight"] * (G.mapping(e[name])[:, 0] - mean)


def blocks(G, w, other, chosen):
    """W of two latents, the second for the chosen blocks."""
    found = rows(G, w).clone()
    for block in chosen:
        found[:, 2 * block : 2 * block + 2] = other[:, None]
    return found


def mixing(G, e, first, last):
    w, other = truncated_style(G, e), truncated_style(G, e, "z2")
    return at(2, G, e, blocks(G, w, other, range(first, last + 1)))


def crossed(G, e):
    w, other = (G.mapping(e[name])[:, 0] for name in ("z", "z2"))
    return at(2, G, e, blocks(G, w, other, range(int(e["crossover"]) + 1, 3)))


def rosinality(steps, mixings):
    return {
        "w": lambda G, e: G.mapping(e["z"])[:, 0],
        "mean_style": mean_style,
        "w_truncated": truncated_style,
        **{f"img_step{step}": partial(at, step) for step in steps},
        **{f"img_step{step}_zero_noise": partial(at, step, given="none") for step in steps if step < 3},
        "img_step2_default_alpha": partial(at, 2),
        "img_step5_strided": partial(step5, show=lambda image: image[:1, :, ::4, ::4]),
        "img_step5_crop": partial(step5, show=lambda image: image[:1, :, 20:44, 20:44]),
        "img_step5_mean_std": partial(step5, show=mean_and_deviation),
        "img_step2_truncated": lambda G, e: at(2, G, e, rows(G, truncated_style(G, e))),
        "img_step2_crossover": crossed,
        **{f"img_step2_mixing_{a}_{b}": partial(mixing, first=a, last=b) for a, b in mixings},
    }


ROSINALITY_FUSED = rosinality([0, 1, 2, 3], [(0, 1), (2, 2)])
ROSINALITY_UNFUSED = rosinality([2], [(0, 0)])
ROSINALITY_RAW = {"img_generator_step2": partial(at, 2)}


def fading(alpha):
    name = f"img_step2_alpha{alpha}".replace(".", "p")
    return {name: lambda G, e: G.synthesis(rows(G, G.mapping(e["z"])[:, 0]), noise(e, G)).image}


def judged(step, *, alpha=False):
    def images(e):
        return e[f"d_images_{step}"] if step < 5 else enlarged(e["d_small_5"], 128)

    if alpha:
        return {f"d_logits_{step}_alpha": lambda D, e: D(images(e))}
    first = {"d_logits_5_first2": lambda D, e: D(images(e)[:2])} if step == 5 else {}
    return {f"d_logits_{step}": lambda D, e: D(images(e)), **first}
