"""What small networks say of a face: age and gender, expression, 68 landmarks, identity.

The layouts are those of @vladmandic/face-api 1.7.15, whose weights `load_face_network` takes: a small
Xception for age and gender, four blocks of sums of separable convolutions for expressions and landmarks, a
residual network in the manner of dlib's for identity. All take a square crop of a face in -1..1.
"""

import os
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.faces.weights import face_api_weights
from ganzoo.system.validation import unknown

EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
LANDMARKS = 68  # dlib's order: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67
IDENTITY = 128
_MEAN = (122.782, 117.001, 104.298)  # of the pixels that the networks were trained on


class _Network(nn.Module):
    """A network of face-api: a crop of a face at its own size, less the mean of its training images."""

    size = 112
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)

    def prepared(self, crops: Tensor) -> Tensor:
        """Crops `[N, 3, S, S]` in -1..1, at the network's size and in its range."""
        if crops.shape[-1] != self.size:
            crops = F.interpolate(crops, (self.size, self.size), mode="bilinear", antialias=True)
        return ((crops.clamp(-1, 1) + 1) * 127.5 - self.mean) / 255


class _Separable(nn.Module):
    """A convolution of 3 x 3 per channel, and one of 1 x 1 over them, in steps of 1 or 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise_filter = nn.Parameter(torch.zeros(inputs, 1, 3, 3))
        self.pointwise_filter = nn.Parameter(torch.zeros(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(_same(x, self.stride), self.depthwise_filter, stride=self.stride, groups=x.shape[1])
        return F.conv2d(x, self.pointwise_filter, self.bias)


class _Conv(nn.Module):
    """A convolution, in steps of 1 or 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.filters = nn.Parameter(torch.zeros(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        padded = _same(x, self.stride) if self.filters.shape[-1] == 3 else x
        return F.conv2d(padded, self.filters, self.bias, stride=self.stride)


class _Sums(nn.Module):
    """Four convolutions, each of which sees the sum of all before it; half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = _Conv(3, outputs, stride=2) if inputs == 3 else _Separable(inputs, outputs, 2)
        self.conv1, self.conv2, self.conv3 = (_Separable(outputs, outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.conv0(x))
        total = first + self.conv1(first)
        total = total + self.conv2(F.relu(total))
        return F.relu(total + self.conv3(F.relu(total)))


class Expressions(_Network):
    """Crops `[N, 3, S, S]` to the logits of `EXPRESSIONS`, `[N, 7]`."""

    def __init__(self, outputs: int = len(EXPRESSIONS)) -> None:
        super().__init__()
        self.dense0, self.dense1 = _Sums(3, 32), _Sums(32, 64)
        self.dense2, self.dense3 = _Sums(64, 128), _Sums(128, 256)
        self.fc = _Linear(256, outputs)

    def forward(self, crops: Tensor) -> Tensor:
        x = self.dense1(self.dense0(self.prepared(crops)))
        found: Tensor = self.fc(self.dense3(self.dense2(x)).mean(dim=(2, 3)))
        return found


class _Linear(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weights, self.bias)


class Landmarks(Expressions):
    """Crops `[N, 3, S, S]` to 68 points, `[N, 68, 2]`, x before y, in sides of the crop."""

    def __init__(self) -> None:
        super().__init__(2 * LANDMARKS)

    def forward(self, crops: Tensor) -> Tensor:
        return super().forward(crops).view(-1, LANDMARKS, 2)


class _Reduction(nn.Module):
    """Two separable convolutions and a maximum over 3 x 3, beside a convolution of 1 x 1; half the size."""

    def __init__(self, inputs: int, outputs: int, *, activated: bool = True) -> None:
        super().__init__()
        self.activated = activated
        self.separable_conv0, self.separable_conv1 = _Separable(inputs, outputs), _Separable(outputs, outputs)
        self.expansion_conv = _Conv(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.separable_conv0(F.relu(x) if self.activated else x)
        inner = self.separable_conv1(F.relu(inner))
        largest = F.max_pool2d(_same(inner, 2, -torch.inf), 3, stride=2)
        beside: Tensor = self.expansion_conv(x)
        return largest + beside


class _Middle(nn.Module):
    """Three separable convolutions, added to what they see."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.separable_conv0, self.separable_conv1, self.separable_conv2 = (
            _Separable(channels, channels) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.separable_conv0(F.relu(x))
        inner = self.separable_conv1(F.relu(inner))
        added: Tensor = self.separable_conv2(F.relu(inner))
        return x + added


class AgeAndGender(_Network):
    """Crops `[N, 3, S, S]` to years `[N]` and the logits of male and female `[N, 2]`."""

    def __init__(self) -> None:
        super().__init__()
        self.entry_flow = nn.ModuleDict(
            {
                "conv_in": _Conv(3, 32, stride=2),
                "reduction_block_0": _Reduction(32, 64, activated=False),
                "reduction_block_1": _Reduction(64, 128),
            }
        )
        self.middle_flow = nn.ModuleDict({f"main_block_{i}": _Middle(128) for i in range(2)})
        self.exit_flow = nn.ModuleDict(
            {"reduction_block": _Reduction(128, 256), "separable_conv": _Separable(256, 512)}
        )
        self.fc = nn.ModuleDict({"age": _Linear(512, 1), "gender": _Linear(512, 2)})

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.entry_flow["conv_in"](self.prepared(crops)))
        x = self.entry_flow["reduction_block_1"](self.entry_flow["reduction_block_0"](x))
        for block in self.middle_flow.values():
            x = block(x)
        x = F.relu(self.exit_flow["separable_conv"](self.exit_flow["reduction_block"](x)))
        features = x.mean(dim=(2, 3))
        return self.fc["age"](features)[:, 0], self.fc["gender"](features)


class _Scaled(nn.Module):
    """A convolution and an affine map per channel; in steps of 2, only where it fits wholly."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.padding = stride, 1 if stride == 1 else 0
        self.conv = nn.ParameterDict(
            {"filters": torch.zeros(outputs, inputs, kernel, kernel), "bias": torch.zeros(outputs)}
        )
        self.scale = nn.ParameterDict({"weights": torch.ones(outputs), "biases": torch.zeros(outputs)})

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.conv["filters"], self.conv["bias"], self.stride, self.padding)
        weights, biases = self.scale["weights"].view(-1, 1, 1), self.scale["biases"].view(-1, 1, 1)
        return torch.addcmul(biases, x, weights)


class _Residual(nn.Module):
    """Two convolutions beside what they see; where they halve the size, beside its means over 2 x 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.conv1, self.conv2 = _Scaled(inputs, outputs, stride=stride), _Scaled(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(F.relu(self.conv1(x)))
        if self.stride == 2:
            x = F.avg_pool2d(x, 2)
            height, width = (big - small for big, small in zip(x.shape[2:], inner.shape[2:], strict=True))
            inner = F.pad(inner, (0, width, 0, height))
            x = F.pad(x, (0, 0, 0, 0, 0, inner.shape[1] - x.shape[1]))
        return F.relu(x + inner)


class Identity(_Network):
    """Crops `[N, 3, S, S]` to descriptors `[N, 128]`: images of one person lie closer than 0.6."""

    size = 150

    def __init__(self) -> None:
        super().__init__()
        self.conv32_down = _Scaled(3, 32, 7, stride=2)
        plan = {"32": (3, 32), "64": (3, 64), "128": (2, 128), "256": (2, 256)}
        self.order: list[str] = []
        before = 32
        for name, (count, width) in plan.items():
            if name != "32":
                self._add(f"conv{name}_down", _Residual(before, width, 2))
            for number in range(1, count + 1):
                self._add(f"conv{name}_{number}", _Residual(width, width))
            before = width
        self._add("conv256_down_out", _Residual(256, 256, 2))
        self.fc = nn.Parameter(torch.zeros(IDENTITY, 256))

    def _add(self, name: str, block: nn.Module) -> None:
        self.add_module(name, block)
        self.order.append(name)

    def forward(self, crops: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv32_down(self.prepared(crops))), 3, stride=2)
        for name in self.order:
            x = self.get_submodule(name)(x)
        return F.linear(x.mean(dim=(2, 3)), self.fc)


NETWORKS: dict[str, Callable[[], nn.Module]] = {  # by the names of face-api's files
    "age_gender": AgeAndGender,
    "face_expression": Expressions,
    "face_landmark_68": Landmarks,
    "face_recognition": Identity,
}


def load_face_network(name: str, *, cache_dir: str | os.PathLike[str] | None = None) -> nn.Module:
    """A network of face-api with its weights, frozen, in eval mode, on the CPU.

    Args:
        name: "age_gender", "face_expression", "face_landmark_68" or "face_recognition".
        cache_dir: Folder of the cache; by default `~/.cache/ganzoo`.

    Raises:
        ValueError: for another name.
        SourceError: if the weights cannot be had.
    """
    if name not in NETWORKS:
        raise ValueError(unknown("face network", name, NETWORKS))
    network, weights = NETWORKS[name](), face_api_weights(name, cache_dir)
    network.load_state_dict({key.replace("/", "."): value for key, value in weights.items()}, strict=True)
    return network.eval().requires_grad_(False)


def _same(x: Tensor, stride: int, value: float = 0.0) -> Tensor:
    """Padded for a kernel of 3 as TensorFlow does: in steps of 2, an even size only at its end."""
    height, width = ((1, 1) if stride == 1 or side % 2 else (0, 1) for side in x.shape[2:])
    return F.pad(x, (*width, *height), value=value)
