"""StyleGAN3 generators in any configuration: the tree that a snapshot holds, and its images in float64.

The layers are numbered and the filters designed here once more, by scipy, and the images are made step by
step: zeros, paddings, convolutions.
"""

from dataclasses import asdict, dataclass, field, fields

import numpy as np
import scipy.signal
import scipy.special
import snapshots
import torch
import torch.nn.functional as F
from reference import Mapping
from snapshots import Draw, Module


@dataclass(frozen=True)
class S:
    """Arguments of the original's constructor, by its names and with its defaults but for sizes."""

    img_resolution: int = 16
    img_channels: int = 3
    z_dim: int = 6
    w_dim: int = 6
    c_dim: int = 0
    channel_base: int = 96
    channel_max: int = 6
    num_layers: int = 3
    num_critical: int = 2
    first_cutoff: float = 2
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    output_scale: float = 0.25
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False
    conv_clamp: float | None = 256
    magnitude_ema_beta: float = 0.999
    mapping: Mapping = field(default_factory=lambda: Mapping(num_layers=2))

    def given(self):
        """The arguments that differ from the defaults, as a snapshot records them."""
        defaults = {f.name: f.default for f in fields(self)}
        return {k: v for k, v in asdict(self).items() if k != "mapping" and v != defaults[k]}


def layers(spec):
    """What the original records of every layer."""
    n, top = spec.num_layers, spec.img_resolution / 2
    steps = np.minimum(np.arange(n + 1) / (n - spec.num_critical), 1)
    cutoffs = spec.first_cutoff * (top / spec.first_cutoff) ** steps
    stops = spec.first_stopband * (top * spec.last_stopband_rel / spec.first_stopband) ** steps
    rates = np.exp2(np.ceil(np.log2(np.minimum(2 * stops, spec.img_resolution))))
    halves = np.maximum(stops, rates / 2) - cutoffs
    sizes = rates + 2 * spec.margin_size
    sizes[-2:] = spec.img_resolution
    widths = np.rint(np.minimum(spec.channel_base / 2 / cutoffs, spec.channel_max))
    widths[-1] = spec.img_channels
    found = []
    for i in range(n + 1):
        a, is_rgb = max(i - 1, 0), i == n
        inner = max(rates[a], rates[i]) * (1 if is_rgb else spec.lrelu_upsampling)
        up, down = int(np.rint(inner / rates[a])), int(np.rint(inner / rates[i]))
        up_taps, down_taps = (spec.filter_size * k if k > 1 and not is_rgb else 1 for k in (up, down))
        kernel = 1 if is_rgb else spec.conv_kernel
        pad = (sizes[i] - 1) * down + 1 - (sizes[a] + kernel - 1) * up + up_taps + down_taps - 2
        low = int(pad + up) // 2
        found.append({
            "is_torgb": is_rgb, "is_critically_sampled": i >= n - spec.num_critical,
            "in_channels": int(widths[a]), "out_channels": int(widths[i]),
            "in_size": np.array([int(sizes[a])] * 2), "out_size": np.array([int(sizes[i])] * 2),
            "in_sampling_rate": float(rates[a]), "out_sampling_rate": float(rates[i]),
            "tmp_sampling_rate": float(inner), "in_cutoff": float(cutoffs[a]),
            "out_cutoff": float(cutoffs[i]), "in_half_width": float(halves[a]),
            "out_half_width": float(halves[i]), "conv_kernel": kernel, "conv_clamp": spec.conv_clamp,
            "magnitude_ema_beta": spec.magnitude_ema_beta, "up_factor": up, "down_factor": down,
            "up_taps": up_taps, "down_taps": down_taps,
            "down_radial": spec.use_radial_filters and i < n - spec.num_critical,
            "padding": [low, int(pad) - low] * 2,
        })  # fmt: skip
    return found


def design(taps, cutoff, width, rate, *, radial=False):
    if taps == 1:
        return None
    if not radial:
        f = scipy.signal.firwin(numtaps=taps, cutoff=cutoff, width=width, fs=rate)
        return torch.as_tensor(f, dtype=torch.float32)
    x = (np.arange(taps) - (taps - 1) / 2) / rate
    r = np.hypot(*np.meshgrid(x, x))
    f = scipy.special.j1(2 * cutoff * np.pi * r) / (np.pi * r)
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, width / (rate / 2)))
    window = np.kaiser(taps, beta)
    f *= np.outer(window, window)
    return torch.as_tensor(f / f.sum(), dtype=torch.float32)


def generator(spec, seed=0):
    """The tree of a generator."""
    draw, table, modules = Draw(seed), layers(spec), {}
    first = table[0]
    affine = snapshots._linear(draw, spec.w_dim, 4)
    affine.parameters["bias"] += torch.tensor([1.0, 0.0, 0.0, 0.0])
    channels = first["in_channels"]
    modules["input"] = Module(
        "SynthesisInput",
        parameters={"weight": draw(channels, channels)},
        buffers={"transform": torch.eye(3), "freqs": draw(channels, 2, std=3.0), "phases": draw(channels)},
        modules={"affine": affine},
        bandwidth=first["in_cutoff"],
        sampling_rate=first["in_sampling_rate"],
        size=first["in_size"],
        channels=channels,
    )
    for i, own in enumerate(table):
        k = own["conv_kernel"]
        buffers = {"magnitude_ema": draw().exp()}
        inner = own["tmp_sampling_rate"]
        up = design(own["up_taps"], own["in_cutoff"], 2 * own["in_half_width"], inner)
        down = design(
            own["down_taps"], own["out_cutoff"], 2 * own["out_half_width"], inner, radial=own["down_radial"]
        )
        buffers |= {name: f for name, f in (("up_filter", up), ("down_filter", down)) if f is not None}
        modules[f"L{i}_{own['out_size'][0]}_{own['out_channels']}"] = Module(
            "SynthesisLayer",
            parameters={
                "weight": draw(own["out_channels"], own["in_channels"], k, k),
                "bias": draw(own["out_channels"], std=0.3),
            },
            buffers=buffers,
            modules={"affine": snapshots._linear(draw, spec.w_dim, own["in_channels"], bias=1.0)},
            **own,
        )
    rows = spec.num_layers + 2
    shape = {"img_resolution": spec.img_resolution, "img_channels": spec.img_channels, "num_ws": rows}
    own = {
        name: getattr(spec, name) for name in ("num_layers", "num_critical", "margin_size", "output_scale")
    }
    synthesis = Module("SynthesisNetwork", modules=modules, w_dim=spec.w_dim, **shape, **own)
    synthesis.arguments = spec.given()
    mapping = snapshots._mapping(draw, spec.mapping, spec.z_dim, spec.c_dim, spec.w_dim, num_ws=rows)
    mapping.buffers["w_avg"] = draw(spec.w_dim)
    tree = Module("Generator", modules={"synthesis": synthesis, "mapping": mapping}, **shape)
    tree.arguments = spec.given()
    return tree


def images(spec, tree, ws):
    """Images `[N, C, R, R]` of w, in float64."""
    t = {name: tensor.double() for name, tensor in tree.tensors().items()}
    ws = ws.double()
    x = _input(spec, t, ws[:, 0])
    names = [name for name in tree["synthesis"].modules if name != "input"]
    for row, (name, own) in enumerate(zip(names, layers(spec), strict=True), 1):
        x = _layer(own, {k: t.get(f"synthesis.{name}.{k}") for k in _NAMES}, x, ws[:, row])
    return x * spec.output_scale


_NAMES = ("weight", "bias", "affine.weight", "affine.bias", "magnitude_ema", "up_filter", "down_filter")


def _affine(weight, bias, w):
    return w @ weight.t() / weight.shape[1] ** 0.5 + bias


def _input(spec, t, w):
    own = layers(spec)[0]
    size, rate, band = own["in_size"][0], own["in_sampling_rate"], own["in_cutoff"]
    c, s, x, y = _affine(t["synthesis.input.affine.weight"], t["synthesis.input.affine.bias"], w).unbind(1)
    norm = (c**2 + s**2).sqrt()
    found = []
    for pose in torch.stack([c, s, x, y], dim=1) / norm[:, None]:
        cos, sin = pose[:2]
        turn = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
        freqs = t["synthesis.input.freqs"]
        phases = t["synthesis.input.phases"] - freqs @ turn @ pose[2:]
        freqs = freqs @ turn
        place = (torch.arange(size, dtype=torch.float64) + 0.5 - size / 2) / rate
        grid = place[None, :, None] * freqs[:, 0] + place[:, None, None] * freqs[:, 1]
        fade = (1 - (freqs.norm(dim=1) - band) / (rate / 2 - band)).clamp(0, 1)
        waves = torch.sin(2 * np.pi * (grid + phases)) * fade
        weight = t["synthesis.input.weight"]
        found.append((waves @ weight.t() / weight.shape[0] ** 0.5).permute(2, 0, 1))
    return torch.stack(found)


def _layer(own, t, x, w):
    style = _affine(t["affine.weight"], t["affine.bias"], w)
    weight, k = t["weight"], own["conv_kernel"]
    if own["is_torgb"]:
        kernels = weight * (style / (own["in_channels"] * k**2) ** 0.5)[:, None, :, None, None]
    else:
        weight = weight / weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        kernels = weight * (style / style.square().mean().sqrt())[:, None, :, None, None]
        kernels = kernels / (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    kernels = kernels / t["magnitude_ema"].sqrt()
    x = torch.cat([F.conv2d(a[None], b, padding=k - 1) for a, b in zip(x, kernels, strict=True)])
    x = x + t["bias"][:, None, None]
    up, down = own["up_factor"], own["down_factor"]
    n, c, h, _ = x.shape
    zeros = x.new_zeros(n, c, h, up, h, up)
    zeros[:, :, :, 0, :, 0] = x
    x = F.pad(zeros.reshape(n, c, h * up, h * up), own["padding"])
    x = _fir(x, t["up_filter"]) * up**2
    if not own["is_torgb"]:
        x = F.leaky_relu(x, 0.2) * 2**0.5
    if own["conv_clamp"] is not None:
        x = x.clamp(-own["conv_clamp"], own["conv_clamp"])
    return _fir(x, t["down_filter"])[:, :, ::down, ::down]


def _fir(x, f):
    if f is None:
        return x
    planes = x.flatten(0, 1)[:, None]
    kernels = [f[:, None], f[None]] if f.ndim == 1 else [f]
    for kernel in kernels:
        planes = F.conv2d(planes, kernel.flip([0, 1])[None, None])
    return planes.unflatten(0, x.shape[:2])[:, :, 0]
