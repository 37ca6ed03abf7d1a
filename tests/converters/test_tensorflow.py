"""Pickles of NVIDIA's TensorFlow repositories, written here from the public layout and compared with float64.

The axes are TensorFlow's, `[in, out]` and `[k, k, in, out]`; kernels of upsampling convolutions are turned by
half, and a style's bias is stored without its 1.
"""

import pickle  # noqa: TID251 - files are written, none is read

import numpy as np
import pytest
import snapshots
from reference import D, G, Mapping, assert_computes, assert_judges

import ganzoo
from ganzoo.converters.conversion import convert_with_account

SMALL = Mapping(num_layers=3, layer_features=10)
LABELS = Mapping(num_layers=2, embed_features=5)
GENERATORS = {  # the network and the settings that the file records
    "skip": (G(), {}),
    "resnet": (G(architecture="resnet"), {"architecture": "resnet"}),
    "orig": (G(architecture="orig"), {"architecture": "orig"}),
    "other widths": (G(channels=(4, 5, 6, 7), z_dim=5, w_dim=11, img_channels=1, mapping=SMALL), {}),
    "conditional": (G(c_dim=3), {}),
    "conditional, narrow": (G(c_dim=3, architecture="resnet", mapping=LABELS), {}),
    "learning rate": (G(mapping=Mapping(lr_multiplier=0.1)), {"mapping_lrmul": 0.1}),
    "activations": (
        G(activation="relu", mapping=Mapping(activation="swish")),
        {"nonlinearity": "relu", "mapping_nonlinearity": "swish"},
    ),
    "clamp": (G(conv_clamp=0.5, architecture="resnet"), {"conv_clamp": 0.5}),
    "no clamp": (G(), {"conv_clamp": None}),
    "three taps": (G(resample_filter=(1, 2, 1), architecture="resnet"), {"resample_kernel": [1, 2, 1]}),
    "no filter": (G(resample_filter=(1, 1)), {"resample_kernel": None}),
    "no noise": (G(use_noise=False), {"use_noise": False}),
    "no mean style": (G(w_avg=False), {}),
    "full precision": (G(), {"num_fp16_res": 0, "fused_modconv": True, "normalize_latents": True}),
}
DISCRIMINATORS = {
    "resnet": (D(group_size=None), {}),
    "skip": (D(architecture="skip", group_size=None), {"architecture": "skip"}),
    "orig": (D(architecture="orig", group_size=None), {"architecture": "orig"}),
    "StyleGAN2 before ADA": (D(), {"build_func_name": "D_stylegan2"}),
    "groups of 2": (D(group_size=2), {"mbstd_group_size": 2}),
    "no deviation": (D(num_channels=0, group_size=None), {"mbstd_num_features": 0}),
    "clamp": (D(conv_clamp=0.5, group_size=None), {"conv_clamp": 0.5}),
    "activation": (D(activation="relu", group_size=None), {"nonlinearity": "relu"}),
    "three taps": (D(resample_filter=(1, 2, 1), group_size=None), {"resample_kernel": [1, 2, 1]}),
    "conditional": (D(c_dim=3, group_size=None, mapping=Mapping(num_layers=0)), {"mapping_layers": 0}),
    "conditional, two layers": (
        D(c_dim=3, group_size=None, mapping=Mapping(lr_multiplier=0.1)),
        {"mapping_layers": 2},
    ),
    "conditional, narrow": (
        D(c_dim=3, group_size=2, cmap_dim=5, mapping=Mapping(num_layers=1, lr_multiplier=0.01)),
        {"mapping_layers": 1, "mapping_fmaps": 5, "mapping_lrmul": 0.01, "mbstd_group_size": 2},
    ),
}


class Network:
    """A network as NVIDIA's TensorFlow files hold it: variables, components by name, settings."""

    def __init__(self, variables, *, components=None, version=4, build_func_name="G_main", **static_kwargs):
        self.version = version
        self.name = build_func_name
        self.static_kwargs = static_kwargs
        self.components = components or {}
        self.build_module_src = "# no source\n"
        self.build_func_name = build_func_name
        self.variables = [  # what has no axes comes as a numpy scalar
            (name, np.ascontiguousarray(value) if np.ndim(value) else np.float32(value))
            for name, value in variables.items()
        ]


def tensorflow_generator(tree, spec, version=4, **settings):
    """A generator's tree as a TensorFlow network."""
    t = {name: tensor.numpy() for name, tensor in tree.tensors().items()}
    mapping, synthesis = {}, {}
    if spec.c_dim:
        _put_linear(mapping, "LabelEmbed", t, "mapping.embed")
    for i in range(spec.mapping.num_layers):
        _put_linear(mapping, f"Dense{i}", t, f"mapping.fc{i}")
    synthesis["4x4/Const/const"] = t["synthesis.b4.const"][None]
    names = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB"}
    for level in range(len(spec.channels)):
        size = 4 * 2**level
        for ours, theirs in names.items():
            source = f"synthesis.b{size}.{ours}"
            if f"{source}.weight" not in t:
                continue
            target = f"{size}x{size}/{'Conv' if (level, ours) == (0, 'conv1') else theirs}"
            kernel = t[f"{source}.weight"].transpose(2, 3, 1, 0)
            synthesis[f"{target}/weight"] = kernel[::-1, ::-1] if ours == "conv0" else kernel
            synthesis[f"{target}/bias"] = t[f"{source}.bias"]
            synthesis[f"{target}/mod_weight"] = t[f"{source}.affine.weight"].T
            synthesis[f"{target}/mod_bias"] = t[f"{source}.affine.bias"] - 1
            if f"{source}.noise_strength" in t:
                index = 2 * level - (ours == "conv0")
                synthesis[f"{target}/noise_strength"] = t[f"{source}.noise_strength"]
                synthesis[f"noise{index}"] = t[f"{source}.noise_const"][None, None]
        if f"synthesis.b{size}.skip.weight" in t:
            skip = t[f"synthesis.b{size}.skip.weight"].transpose(2, 3, 1, 0)
            synthesis[f"{size}x{size}/Skip/weight"] = skip
    settings = {"latent_size": spec.z_dim, "label_size": spec.c_dim, **settings}
    components = {
        "synthesis": Network(synthesis, build_func_name="G_synthesis", **settings),
        "mapping": Network(mapping, build_func_name="G_mapping", **settings),
    }
    own = {"lod": 0.0, "dlatent_avg": t["mapping.w_avg"]} if spec.w_avg else {"lod": 0.0}
    return Network(own, components=components, version=version, **settings)


def tensorflow_discriminator(tree, spec, build_func_name="D_main", **settings):
    """A discriminator's tree as a TensorFlow network."""
    t = {name: tensor.numpy() for name, tensor in tree.tensors().items()}
    variables = {"lod": 0.0}
    names = {"fromrgb": "FromRGB", "conv0": "Conv0", "conv1": "Conv1_down", "skip": "Skip", "conv": "Conv"}
    for level in range(len(spec.channels)):
        size = 4 * 2**level
        for ours, theirs in names.items():
            if f"b{size}.{ours}.weight" in t:
                _put_linear(variables, f"{size}x{size}/{theirs}", t, f"b{size}.{ours}")
    _put_linear(variables, "4x4/Dense0", t, "b4.fc")
    _put_linear(variables, "Output", t, "b4.out")
    if spec.c_dim:
        _put_linear(variables, "LabelEmbed", t, "mapping.embed")
        for i in range(spec.mapping.num_layers):
            _put_linear(variables, f"Mapping{i}", t, f"mapping.fc{i}")
    settings = {"label_size": spec.c_dim, **settings}
    return Network(variables, build_func_name=build_func_name, **settings)


def _put_linear(variables, target, t, source):
    """A linear layer or a convolution, its input and output axes last."""
    weight = t[f"{source}.weight"]
    variables[f"{target}/weight"] = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
    if f"{source}.bias" in t:
        variables[f"{target}/bias"] = t[f"{source}.bias"]


def write_tensorflow(path, *networks):
    """A TensorFlow file: the tuple of its networks, or the network if there is one."""
    with snapshots.foreign_modules(Network), path.open("wb") as file:
        pickle.dump(networks if len(networks) > 1 else networks[0], file, protocol=4)
    return path


def both(spec=None, judge=None):
    """Trees of a generator, a discriminator and the generator's average, and the file's three networks."""
    spec, judge = spec or G(channels=(4, 4)), judge or D(channels=(4, 4), group_size=None)
    trees = snapshots.generator(spec, 1), snapshots.discriminator(judge), snapshots.generator(spec, 2)
    networks = [
        tensorflow_generator(trees[0], spec),
        tensorflow_discriminator(trees[1], judge),
        tensorflow_generator(trees[2], spec),
    ]
    return trees, networks


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_computes_what_its_file_did(tmp_path, name, version):
    spec, settings = GENERATORS[name]
    tree = snapshots.generator(spec)
    network = tensorflow_generator(tree, spec, version=version, **settings)
    converted = ganzoo.convert(write_tensorflow(tmp_path / "a.pkl", network))
    assert_computes(converted, tree.tensors(), spec)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_judges_as_its_file_did(tmp_path, name):
    spec, settings = DISCRIMINATORS[name]
    tree = snapshots.discriminator(spec)
    _, (g, _, g_ema) = both()
    path = write_tensorflow(tmp_path / "a.pkl", g, tensorflow_discriminator(tree, spec, **settings), g_ema)
    assert_judges(ganzoo.convert(path, "discriminator"), tree.tensors(), spec)


def test_the_three_networks_of_a_file_are_found_by_their_places(tmp_path):
    trees, networks = both()
    path = write_tensorflow(tmp_path / "a.pkl", *networks)
    spec = G(channels=(4, 4))
    assert_computes(ganzoo.convert(path, "generator"), trees[0].tensors(), spec)
    assert_computes(ganzoo.convert(path), trees[2].tensors(), spec)
    assert convert_with_account(path).parts == ("generator", "discriminator", "generator_ema")


def test_the_counter_of_progressive_growing_is_dropped_by_name(tmp_path):
    _, networks = both()
    source = convert_with_account(write_tensorflow(tmp_path / "a.pkl", networks[2]))
    assert "progressive growing" in source.dropped["lod"] and not source.made


def without(name, component=None):
    """A change of a network: a variable that is missing."""

    def change(network):
        part = network.components[component] if component else network
        assert name in dict(part.variables)
        part.variables = [item for item in part.variables if item[0] != name]

    return change


def added(name, value, component=None):
    """A change of a network: one more variable."""

    def change(network):
        (network.components[component] if component else network).variables.append((name, value))

    return change


ERRORS = {
    "older": (lambda n: setattr(n, "version", 3), "version 3, older than StyleGAN2"),
    "no version": (lambda n: delattr(n, "version"), "version None"),
    "labels before ADA": (added("LabelConcat/weight", np.ones((3, 8), "f4"), "mapping"), "before ADA"),
    "plain latents": (lambda n: n.static_kwargs.update(normalize_latents=False), "normalise"),
    "no synthesis": (lambda n: n.components.pop("synthesis"), "Const"),
    "no mapping": (lambda n: n.components.pop("mapping"), "no mapping network"),
    "missing bias": (without("8x8/Conv1/bias", "synthesis"), "8x8/Conv1/bias"),
    "missing style": (without("8x8/Conv0_up/mod_bias", "synthesis"), "8x8/Conv0_up/mod_bias"),
    "missing noise": (without("noise1", "synthesis"), "noise1"),
    "missing constant": (without("4x4/Const/const", "synthesis"), "4x4/Const/const"),
    "missing level": (without("8x8/Conv1/weight", "synthesis"), "8x8|levels"),
    "missing head": (without("4x4/ToRGB/weight", "synthesis"), "4x4/ToRGB|architecture"),
    "missing mapping layer": (without("Dense0/weight", "mapping"), "Dense"),
    "extra variable": (added("8x8/Extra/weight", np.ones(3, "f4"), "synthesis"), "8x8/Extra/weight"),
    "no array": (added("8x8/Extra/weight", "text", "synthesis"), "no array"),
    "variables of another kind": (lambda n: setattr(n, "variables", {}), "list of variables"),
    "filter": (lambda n: n.static_kwargs.update(resample_kernel="box"), "filter"),
    "unknown activation": (
        lambda n: n.components["synthesis"].static_kwargs.update(nonlinearity="gelu"),
        "gelu",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_network_that_is_no_stylegan2_is_refused(tmp_path, case):
    change, match = ERRORS[case]
    network = both()[1][2]
    change(network)
    path = write_tensorflow(tmp_path / "a.pkl", network)
    with pytest.raises(ValueError, match=match) as caught:
        ganzoo.convert(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and "is damaged" not in message


def test_a_discriminator_that_reads_labels_as_before_ada_is_refused(tmp_path):
    networks = both()[1]
    networks[1].static_kwargs["label_size"] = 3
    with pytest.raises(ValueError, match="before ADA"):
        ganzoo.convert(write_tensorflow(tmp_path / "a.pkl", *networks), "discriminator")
