"""Synthetic checkpoints with random weights, in the layouts of the original implementations.

`generator` and `discriminator` make a tree of modules with NVIDIA's names, attributes and tensors; the
writers put such trees, or their tensors under other names, into files. The classes that a file names exist
only while it is written.
"""

import argparse
import contextlib
import pickle  # noqa: TID251 - files are written, none is read
import sys
import types

import numpy as np
import torch


class Module:
    """A module as NVIDIA's snapshots hold it: a call that rebuilds a class from its state.

    Tensors among the keywords of `parameters` and `buffers`, other keywords become plain attributes.
    """

    def __init__(self, class_name, *, parameters=None, buffers=None, modules=None, **attributes):
        self.class_name = class_name
        self.parameters = parameters or {}
        self.buffers = buffers or {}
        self.modules = modules or {}
        self.attributes = attributes
        self.arguments = {}  # of its constructor, as far as they are given

    def __getitem__(self, path):
        """The module of a dotted path."""
        name, _, rest = path.partition(".")
        return self.modules[name][rest] if rest else self.modules[name]

    def contents(self):
        """Its dicts of tensors, modules and attributes."""
        return [self.parameters, self.buffers, self.modules, self.attributes]

    def tensors(self, prefix=""):
        """All tensors by dotted names."""
        found = {f"{prefix}{name}": tensor.data for name, tensor in (self.parameters | self.buffers).items()}
        for name, module in self.modules.items():
            found |= module.tensors(f"{prefix}{name}.")
        return found

    def __reduce__(self):
        state = {
            "training": False,
            "_parameters": {
                k: torch.nn.Parameter(v, requires_grad=False) for k, v in self.parameters.items()
            },
            "_buffers": self.buffers,
            "_non_persistent_buffers_set": set(),
            "_modules": self.modules,
            **self.attributes,
            "_init_args": (),
            "_init_kwargs": sys.modules["dnnlib.util"].EasyDict(self.arguments),
        }
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "# no source\n",
            "class_name": self.class_name,
            "state": state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


class Draw:
    """Normal numbers from a seed."""

    def __init__(self, seed=0):
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, *shape, std=1.0, mean=0.0):
        return torch.randn(shape, generator=self.random) * std + mean


def generator(spec, seed=0):
    """The tree of a generator."""
    draw = Draw(seed)
    last, rows = len(spec.channels) - 1, 2 * len(spec.channels)
    blocks = {}
    for level, width in enumerate(spec.channels):
        size, below = 4 * 2**level, spec.channels[max(level - 1, 0)]
        modules = {"conv0": _synthesis_layer(draw, spec, below, width, size, up=2)} if level else {}
        modules["conv1"] = _synthesis_layer(draw, spec, width, width, size, up=1)
        if level == last or spec.architecture == "skip":
            modules["torgb"] = Module(
                "ToRGBLayer",
                parameters={"weight": draw(spec.img_channels, width, 1, 1), "bias": draw(spec.img_channels)},
                modules={"affine": _linear(draw, spec.w_dim, width, bias=1.0)},
                conv_clamp=spec.conv_clamp,
                weight_gain=1 / np.sqrt(width),
            )
        if level and spec.architecture == "resnet":
            modules["skip"] = _conv(
                draw, below, width, 1, bias=False, up=2, resample_filter=spec.resample_filter
            )
        blocks[f"b{size}"] = Module(
            "SynthesisBlock",
            parameters={} if level else {"const": draw(width, 4, 4)},
            buffers={"resample_filter": fir(spec.resample_filter)},
            modules=modules,
            in_channels=below if level else 0,
            resolution=size,
            img_channels=spec.img_channels,
            is_last=level == last,
            architecture=spec.architecture,
            use_fp16=level >= 2,
            num_conv=2 if level else 1,
            num_torgb=int("torgb" in modules),
        )
    shape = {"img_resolution": 4 * 2**last, "img_channels": spec.img_channels, "num_ws": rows}
    synthesis = Module("SynthesisNetwork", modules=blocks, w_dim=spec.w_dim, **shape)
    mapping = _mapping(draw, spec.mapping, spec.z_dim, spec.c_dim, spec.w_dim, num_ws=rows)
    if spec.w_avg:
        mapping.buffers["w_avg"] = draw(spec.w_dim)
    sizes = {"z_dim": spec.z_dim, "c_dim": spec.c_dim, "w_dim": spec.w_dim}
    return Module("Generator", modules={"synthesis": synthesis, "mapping": mapping}, **sizes, **shape)


def discriminator(spec, seed=0):
    """The tree of a discriminator; the convolutions that `spec.frozen` counts have buffers for weights."""
    draw = Draw(seed)
    trainable = iter([False] * spec.frozen + [True] * 4 * len(spec.channels))
    modules = {}
    conv = {"activation": spec.activation, "conv_clamp": spec.conv_clamp}
    filtered = {"down": 2, "resample_filter": spec.resample_filter}
    for level in range(len(spec.channels) - 1, 0, -1):
        width, out, block = spec.channels[level], spec.channels[level - 1], {}
        if not modules or spec.architecture == "skip":
            block["fromrgb"] = _conv(draw, spec.img_channels, width, 1, trainable=next(trainable), **conv)
        block["conv0"] = _conv(draw, width, width, 3, trainable=next(trainable), **conv)
        block["conv1"] = _conv(draw, width, out, 3, trainable=next(trainable), **conv, **filtered)
        if spec.architecture == "resnet":
            block["skip"] = _conv(draw, width, out, 1, trainable=next(trainable), bias=False, **filtered)
        modules[f"b{4 * 2**level}"] = Module(
            "DiscriminatorBlock",
            buffers={"resample_filter": fir(spec.resample_filter)},
            modules=block,
            resolution=4 * 2**level,
            img_channels=spec.img_channels,
            architecture=spec.architecture,
            num_layers=len(block),
        )
    width = spec.channels[0]
    cmap_dim = (width if spec.cmap_dim is None else spec.cmap_dim) if spec.c_dim else 0
    if spec.c_dim:
        modules["mapping"] = _mapping(draw, spec.mapping, 0, spec.c_dim, cmap_dim, num_ws=None)
    last = {}
    if spec.architecture == "skip":
        last["fromrgb"] = _conv(draw, spec.img_channels, width, 1, activation=spec.activation)
    if spec.num_channels:
        last["mbstd"] = Module(
            "MinibatchStdLayer", group_size=spec.group_size, num_channels=spec.num_channels
        )
    last["conv"] = _conv(draw, width + spec.num_channels, width, 3, **conv)
    last["fc"] = _linear(draw, width * 16, width, activation=spec.activation)
    last["out"] = _linear(draw, width, cmap_dim or 1)
    modules["b4"] = Module(
        "DiscriminatorEpilogue", modules=last, cmap_dim=cmap_dim, architecture=spec.architecture
    )
    return Module("Discriminator", modules=modules, c_dim=spec.c_dim, img_channels=spec.img_channels)


def fir(taps):
    """A filter of sum 1 as NVIDIA stores it: 2-D, but 1-D from 8 taps on."""
    taps = torch.tensor(taps or [1], dtype=torch.float32)
    kernel = taps if len(taps) >= 8 else torch.outer(taps, taps)
    return kernel / kernel.sum()


def _gain(activation):
    """The gain of an activation: a numpy scalar unless it is 1."""
    return np.sqrt(2) if activation in ("relu", "lrelu", "swish") else 1


def _linear(draw, n_in, n_out, *, activation="linear", lr_multiplier=1, bias=0.0):
    return Module(
        "FullyConnectedLayer",
        parameters={
            "weight": draw(n_out, n_in, std=1 / lr_multiplier),
            "bias": draw(n_out, std=0.3 / lr_multiplier, mean=bias),
        },
        activation=activation,
        weight_gain=lr_multiplier / np.sqrt(n_in),
        bias_gain=lr_multiplier,
    )


def _mapping(draw, spec, z_dim, c_dim, w_dim, *, num_ws):
    embed = (spec.embed_features or w_dim) if c_dim else 0
    hidden = [spec.layer_features or w_dim] * (spec.num_layers - 1)
    widths = [z_dim + embed, *hidden, w_dim]
    modules = {"embed": _linear(draw, c_dim, embed)} if c_dim else {}
    for i in range(spec.num_layers):
        options = {"activation": spec.activation, "lr_multiplier": spec.lr_multiplier}
        modules[f"fc{i}"] = _linear(draw, widths[i], widths[i + 1], **options)
    sizes = {"z_dim": z_dim, "c_dim": c_dim, "w_dim": w_dim, "num_ws": num_ws}
    return Module("MappingNetwork", modules=modules, num_layers=spec.num_layers, **sizes)


def _synthesis_layer(draw, spec, n_in, n_out, size, *, up):
    k = spec.kernel_size
    parameters = {"weight": draw(n_out, n_in, k, k), "bias": draw(n_out, std=0.3)}
    buffers = {"resample_filter": fir(spec.resample_filter if up > 1 else (1, 3, 3, 1))}
    if spec.use_noise:
        parameters["noise_strength"] = draw(std=0.3)
        buffers["noise_const"] = draw(size, size)
    return Module(
        "SynthesisLayer",
        parameters=parameters,
        buffers=buffers,
        modules={"affine": _linear(draw, spec.w_dim, n_in, bias=1.0)},
        resolution=size,
        up=up,
        use_noise=spec.use_noise,
        activation=spec.activation,
        conv_clamp=spec.conv_clamp,
        padding=k // 2,
        act_gain=_gain(spec.activation) if spec.act_gain is None else spec.act_gain,
    )


def _conv(draw, n_in, n_out, k, *, activation="linear", conv_clamp=None, bias=True, trainable=True,
          up=1, down=1, resample_filter=(1, 3, 3, 1)):  # fmt: skip
    weights = {"weight": draw(n_out, n_in, k, k)} | ({"bias": draw(n_out, std=0.3)} if bias else {})
    return Module(
        "Conv2dLayer",
        parameters=weights if trainable else {},
        buffers={"resample_filter": fir(resample_filter)} | ({} if trainable else weights),
        activation=activation,
        up=up,
        down=down,
        conv_clamp=conv_clamp,
        padding=k // 2,
        weight_gain=1 / np.sqrt(n_in * k**2),
        act_gain=_gain(activation),
        **({} if bias else {"bias": None}),
    )


@contextlib.contextmanager
def foreign_modules(*networks):
    """The modules that NVIDIA's files name, importable within the block; `networks` are classes of tflib."""
    added = {name: types.ModuleType(name) for name in ("torch_utils", "dnnlib", "dnnlib.tflib")}

    def add(module, item):
        item.__module__, item.__qualname__ = module, item.__name__
        setattr(added.setdefault(module, types.ModuleType(module)), item.__name__, item)

    def _reconstruct_persistent_obj(meta):
        raise NotImplementedError

    add("torch_utils.persistence", _reconstruct_persistent_obj)
    add("dnnlib.util", type("EasyDict", (dict,), {}))
    for network in networks:
        add("dnnlib.tflib.network", network)
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def write_nvidia(path, bare=None, *, protocol=4, **networks):
    """A snapshot of the trees `G`, `D`, `G_ema`, or a file of one bare tree."""
    contents = bare or {"training_set_kwargs": {"path": "data"}, "augment_pipe": None, **networks}
    with foreign_modules(), path.open("wb") as file:
        pickle.dump(contents, file, protocol=protocol)
    return path


def rosinality_generator(tree, spec, *, noises=True):
    """A generator's tree as a state dict of rosinality."""
    t, state = tree.tensors(), {}
    for i in range(spec.mapping.num_layers):
        for kind in ("weight", "bias"):
            state[f"style.{i + 1}.{kind}"] = t[f"mapping.fc{i}.{kind}"]
    state["input.input"] = t["synthesis.b4.const"][None]
    taps = torch.tensor(spec.resample_filter, dtype=torch.float32)
    kernel = 4 * torch.outer(taps, taps) / taps.sum() ** 2
    for level in range(len(spec.channels)):
        block = f"synthesis.b{4 * 2**level}"
        layers = {f"convs.{2 * level - 2}": "conv0", f"convs.{2 * level - 1}": "conv1"}
        for target, name in (layers if level else {"conv1": "conv1"}).items():
            source = f"{block}.{name}"
            state |= _rosinality_conv(t, source, target)
            if name == "conv0":
                state[f"{target}.conv.blur.kernel"] = kernel
            state[f"{target}.noise.weight"] = t[f"{source}.noise_strength"][None]
            state[f"{target}.activate.bias"] = t[f"{source}.bias"]
            if noises:
                index = 2 * level - (name == "conv0")
                state[f"noises.noise_{index}"] = t[f"{source}.noise_const"][None, None]
        target = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        state |= _rosinality_conv(t, f"{block}.torgb", target)
        state[f"{target}.bias"] = t[f"{block}.torgb.bias"].view(1, -1, 1, 1)
        if level:
            state[f"{target}.upsample.kernel"] = kernel
    return state


def _rosinality_conv(t, source, target):
    """A modulated convolution."""
    return {
        f"{target}.conv.weight": t[f"{source}.weight"][None],
        f"{target}.conv.modulation.weight": t[f"{source}.affine.weight"],
        f"{target}.conv.modulation.bias": t[f"{source}.affine.bias"],
    }


def rosinality_discriminator(tree, spec):
    """A discriminator's tree as a state dict of rosinality."""
    t, state, last = tree.tensors(), {}, len(spec.channels) - 1
    taps = torch.tensor(spec.resample_filter, dtype=torch.float32)
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    names = {
        f"b{4 * 2**last}.fromrgb": ("convs.0.0", "convs.0.1"),
        "b4.conv": ("final_conv.0", "final_conv.1"),
    }
    names |= {"b4.fc": ("final_linear.0",) * 2, "b4.out": ("final_linear.1",) * 2}
    for level in range(last, 0, -1):
        block, target = f"b{4 * 2**level}", f"convs.{last + 1 - level}"
        names[f"{block}.conv0"] = (f"{target}.conv1.0", f"{target}.conv1.1")
        names[f"{block}.conv1"] = (f"{target}.conv2.1", f"{target}.conv2.2")
        state[f"{target}.skip.1.weight"] = t[f"{block}.skip.weight"]
        state |= {f"{target}.{filtered}.0.kernel": kernel for filtered in ("conv2", "skip")}
    for source, (weight, bias) in names.items():
        state[f"{weight}.weight"] = t[f"{source}.weight"]
        state[f"{bias}.bias"] = t[f"{source}.bias"]
    return state


def write_rosinality(path, contents, *, zipped=True):
    """A file of torch.save; contents are a state dict, or networks by their keys, with `args` if any."""
    if "args" in contents:
        contents = {**contents, "args": argparse.Namespace(**contents["args"])}
    torch.save(contents, path, _use_new_zipfile_serialization=zipped)
    return path


def attribute(path, **values):
    """A change of a tree: attributes of a module."""
    return lambda tree: tree[path].attributes.update(values)


def lack(path, name):
    """A change of a tree: a module without an attribute, tensor or module."""
    return lambda tree: [kind.pop(name, None) for kind in tree[path].contents()]


def tensor(path, name, value):
    """A change of a tree: a tensor in the place of another, or in addition."""

    def change(tree):
        module = tree[path]
        (module.buffers if name in module.buffers else module.parameters)[name] = value

    return change


def everywhere(name, value):
    """A change of a tree: an attribute of all modules that have it."""

    def change(tree):
        for module in tree.modules.values():
            if name in module.attributes:
                module.attributes[name] = value
            change(module)

    return change


def rate(path, value):
    """A change of a tree: the learning rate of a linear layer."""

    def change(tree):
        gain = value / tree[path].parameters["weight"].shape[1] ** 0.5
        tree[path].attributes.update(bias_gain=value, weight_gain=gain)

    return change
