"""What is exported: functions of tensors alone, with the names, shapes and ranges of their inputs."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.export.forms import Form, formed
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Noise

PARTS, SPACES, NOISES = ("apart", "together"), ("w+", "w"), ("const", "given", "none")
MAX_BATCH = 256


@dataclass(frozen=True)
class Options:
    """What the files take and give.

    Args:
        parts: "apart" writes mapping and synthesis, "together" one file from z to the image.
        space: Form of w between the two networks: "w+" `[N, num_ws, w_dim]`, or "w" `[N, w_dim]` for all
            rows alike.
        noise: "const" (inside the file), "given" (an input a layer) or "none".
        batch: N; None leaves it free.

    Raises:
        ValueError: for any other value.
    """

    parts: str = "apart"
    space: str = "w+"
    noise: str = "const"
    batch: int | None = 1

    def __post_init__(self) -> None:
        for name, known in (("parts", PARTS), ("space", SPACES), ("noise", NOISES)):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}; got {value!r}.")
        if self.batch is not None and not 1 <= self.batch <= MAX_BATCH:
            raise ValueError(f"batch is 1 to {MAX_BATCH}, or free; got {self.batch}.")

    def to_dict(self) -> dict[str, Any]:
        """The options as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Input:
    """An input: its name, its shape (None where it is free), and what its values are."""

    name: str
    shape: tuple[int | None, ...]
    values: str


@dataclass(frozen=True)
class Graph:
    """A function of tensors that becomes a file.

    Attributes:
        name: Name of the file, without its ending.
        module: Module that is called with the inputs in their order.
        inputs: Inputs in float32.
        output, output_shape: Name and shape of its only result.
        batch: N, or None where it is free.
    """

    name: str
    module: nn.Module
    inputs: tuple[Input, ...]
    output: str
    output_shape: tuple[int | None, ...]
    batch: int | None

    @property
    def resolution(self) -> int:
        """Width of the result, which is an image, in pixels."""
        return self.output_shape[-1] or 0

    @property
    def examples(self) -> tuple[Tensor, ...]:
        """Inputs of the right shapes, to trace with; a free batch is 2, for 1 is a case of its own."""
        shapes = [[2 if size is None else size for size in i.shape] for i in self.inputs]
        return tuple(torch.ones(shape) for shape in shapes)


def graphs(generator: Generator, options: Options, form: Form) -> list[Graph]:
    """The functions that these options ask for, in the form that an engine takes best."""
    if options.space == "w" and generator.mapping.rows_differ:
        raise ValueError("The rows of this network's w differ: export it with --space w+.")
    deployed = formed(deploy(generator), form)
    n, config = options.batch, generator.config
    z = [Input("z", (n, config.z_dim), "normal, mean 0 and variance 1")]
    if config.label_dim:
        z.append(Input("label", (n, config.label_dim), "1 at the class, 0 elsewhere; or the shares of a mix"))
    z.append(Input("truncation_psi", (1,), "0 (the mean image) to 1 (full variety)"))
    noise = []
    if options.noise == "given":
        noise = [
            Input(f"noise_{i}", (n, 1, *size), "normal, mean 0 and variance 1")
            for i, size in enumerate(deployed.synthesis.noise_sizes)
        ]
    rows = (config.num_ws,) if options.space == "w+" else ()
    w = Input("w", (n, *rows, config.w_dim), "as the mapping network gives")
    side = config.resolution
    image = ("image", (n, config.img_channels, side, side), n)
    mapping, synthesis = (
        MappingGraph(deployed, options.space),
        SynthesisGraph(deployed, options, hides_noise=form.hides_noise),
    )
    if options.parts == "together":
        whole = WholeGraph(mapping, synthesis, inputs=len(z))
        return [Graph("generator", whole.eval(), (*z, *noise), *image)]
    return [
        Graph("mapping", mapping.eval(), tuple(z), "w", w.shape, n),
        Graph("synthesis", synthesis.eval(), (w, *noise), *image),
    ]


class MappingGraph(nn.Module):
    """`z [N, z_dim]`, the label of a conditional network, `truncation_psi [1]` to w."""

    def __init__(self, generator: Generator, space: str) -> None:
        super().__init__()
        self.mapping = generator.mapping
        self.rows = space == "w+"

    def forward(self, z: Tensor, *rest: Tensor) -> Tensor:
        *label, psi = rest
        labels = label[0] if label else None
        if self.mapping.rows_differ:
            w = self.mapping.rows(z, labels)
            center = self.mapping.center(w)
            return center + psi * (w - center)
        w = self.mapping.w(z, labels)
        center = self.mapping.center(w[:, None])
        center = center if center.ndim == 1 else center[:, 0]
        w = center + psi * (w - center)
        return w[:, None].repeat(1, self.mapping.num_ws, 1) if self.rows else w


class SynthesisGraph(nn.Module):
    """Styles and, where the noise is given, a tensor a layer, to images `[N, img_channels, R, R]`."""

    def __init__(self, generator: Generator, options: Options, *, hides_noise: bool) -> None:
        super().__init__()
        self.synthesis = generator.synthesis
        self.rows = options.space == "w+"
        self.noise = options.noise
        self.hides_noise = hides_noise and self.noise == "const"

    def forward(self, w: Tensor, *noise: Tensor) -> Tensor:
        if not self.rows:
            w = w[:, None].expand(-1, self.synthesis.num_ws, -1)
        used: Noise = list(noise) if self.noise == "given" else self.noise
        if self.hides_noise:
            one = (1 + w[:1, :1, :1, None].abs()).clamp(max=1.0)  # LiteRT's converter sees through 1 + 0 * w
            used = [constant * one for constant in self.synthesis.constant_noise()]
        image: Tensor = self.synthesis(w, used).image
        return image


class WholeGraph(nn.Module):
    """The inputs of the mapping network and of the noise to images."""

    def __init__(self, mapping: MappingGraph, synthesis: SynthesisGraph, *, inputs: int) -> None:
        super().__init__()
        self.mapping, self.synthesis, self.inputs = mapping, synthesis, inputs

    def forward(self, z: Tensor, *rest: Tensor) -> Tensor:
        given = self.inputs - 1
        image: Tensor = self.synthesis(self.mapping(z, *rest[:given]), *rest[given:])
        return image


def dynamic_shapes(graph: Graph) -> dict[str, Any] | None:
    """The free dimensions of the inputs, as `torch.export` wants them; None where all are fixed."""
    if graph.batch is not None:
        return None
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    # An empty dict where nothing is free: torch.onnx reads the tuple (None,) as the axes of one tensor.
    first, *rest = ({0: batch} if i.shape[0] is None else {} for i in graph.inputs)
    one, others = ("w", "noise") if graph.name == "synthesis" else ("z", "rest")
    return {one: first, others: tuple(rest)} if rest else {one: first}
