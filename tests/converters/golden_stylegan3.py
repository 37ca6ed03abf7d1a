"""How each array that the original StyleGAN3 computed is computed here."""

import copy

import torch

# Inputs of the original, in its files beside what it gave.
GIVEN = {"psi", "cutoff", *(f"transform{i}" for i in range(3))}


def label(e, n=None, name="c"):
    return e[name][:n] if name in e else None


def outputs(turns):
    """Outputs by part of a file whose images were recorded at so many transforms of the input."""
    ema = {**EMA, **{name: output for i in range(turns) for name, output in turned(i).items()}}
    return {"generator_ema": ema, "generator": RAW, "discriminator": D}


EMA = {
    "img_ws_random": lambda G, e: G.synthesis(e["ws_random"]).image,
    "img_psi_cutoff": lambda G, e: G(e["z"][:1], label(e, 1), float(e["psi"]), int(e["cutoff"])),
    "img": lambda G, e: G.synthesis(e["ws"]).image,
    "ws": lambda G, e: G.mapping(e["z"], label(e)),
    "ws_psi": lambda G, e: G.mapping(e["z"], label(e), float(e["psi"])),
    "ws_psi_cutoff": lambda G, e: G.mapping(e["z"], label(e), float(e["psi"]), int(e["cutoff"])),
    "w_avg": lambda G, e: G.mapping.w_avg,
    "input_out": lambda G, e: G.synthesis.input(e["ws"][:1, 0])[:, :2],
    "layer0_out": lambda G, e: first_layer(G, e["ws"])[:1, :2],
    "w_avg_updated": lambda G, e: G.mapping(e["z"], label(e))[:, 0].mean(0).lerp(G.mapping.w_avg, 0.998),
    "magnitude_ema_before": lambda G, e: magnitudes(G),
    "magnitude_ema_updated": lambda G, e: magnitudes(in_training(G, e)[0]),
    "img_update_emas": lambda G, e: in_training(G, e)[1][:1],
}
RAW = {"img_G": lambda G, e: G(e["z"][:1], label(e, 1))}
D = {
    "d_logits_first2": lambda D, e: D(e["d_images"][:2], label(e, 2, "d_c")),
    "d_logits": lambda D, e: D(e["d_images"], label(e, None, "d_c")),
}


def turned(number: int):
    """The outputs of a StyleGAN3 whose input is shifted and turned by hand."""
    name = f"transform{number}"

    def moved(G, e):
        G = copy.deepcopy(G)
        x, y, degrees = e[name].tolist()
        G.synthesis.move((x, y), degrees)
        return G

    found = {
        f"img_{name}": lambda G, e: moved(G, e).synthesis(e["ws"][:1]).image,
        f"{name}_matrix": lambda G, e: moved(G, e).synthesis.input.transform.double(),
    }
    if number:  # the input itself was recorded once
        return found
    return {**found, f"input_out_{name}": lambda G, e: moved(G, e).synthesis.input(e["ws"][:1, 0])[:, :2]}


def first_layer(G, w):
    return G.synthesis.layers[0](G.synthesis.input(w[:, 0]), w[:, 1])


def magnitudes(G):
    return torch.stack([layer.magnitude_ema for layer in G.synthesis.layers])


def in_training(G, e):
    """A copy after a pass in training mode, and the images of that."""
    G = copy.deepcopy(G)
    images = G.synthesis.train()(e["ws"]).image
    G.synthesis.absorb(G.synthesis.observed())
    return G, images
