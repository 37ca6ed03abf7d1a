"""The shared base of all architectures' configs, and the registry that finds an architecture by its name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganzoo.blocks import KINDS, MAPPINGS, MappingNetwork
from ganzoo.generators.synthesis import SynthesisNetwork
from ganzoo.registry import Registry
from ganzoo.system.validation import check_fields, from_mapping, in_range, only, plain

if TYPE_CHECKING:
    from ganzoo.generators.generator import Generator

IMPORTANCES = ("weights", "response", "saliency")  # of channels
Scores = Mapping[str, Tensor]  # of the channels at a place of the network, by its name

DEFAULT = "stylegan2"  # of a config that names no architecture
ARCHITECTURE = "generator"  # the key that names it
WHAT = "a generator"  # in messages
MAX_WIDTH = 8192
MAX_LABELS = 100_000
MAX_IMG_CHANNELS = 64


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(ABC):
    """What every generator's config has; an architecture adds its own fields.

    An architecture is a frozen dataclass on this one, registered by `GENERATORS.register("name")`, that says
    how many rows w has and how the synthesis network is built. A field that is named like a kind of block
    holds a block.

    Args:
        resolution: Side of the image.
        img_channels: Channels of the image, 3 for color.
        z_dim: Width of the latent.
        w_dim: Width of w.
        label_dim: Width of the label, 0 for an unconditional network.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    resolution: int
    img_channels: int = 3
    z_dim: int = 512
    w_dim: int = 512
    label_dim: int = 0

    def __post_init__(self) -> None:
        check_fields(self, KINDS)
        in_range("z_dim", self.z_dim, 1, MAX_WIDTH)
        in_range("w_dim", self.w_dim, 1, MAX_WIDTH)
        in_range("label_dim", self.label_dim, 0, MAX_LABELS)
        in_range("img_channels", self.img_channels, 1, MAX_IMG_CHANNELS)

    @property
    @abstractmethod
    def num_ws(self) -> int:
        """Rows of w."""

    @abstractmethod
    def build_synthesis(self) -> SynthesisNetwork:
        """The synthesis network, its weights not yet drawn."""

    def build_mapping(self) -> MappingNetwork:
        """The mapping network, its weights not yet drawn: of the field `mapping`, or the default."""
        spec = getattr(self, "mapping", "mlp")
        context = {name: getattr(self, name) for name in MAPPINGS.context}
        return MAPPINGS.build(spec, **context)

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Width of every level's features, from low to high resolution; empty if there are no levels."""
        return ()

    @property
    def level_sides(self) -> tuple[int, ...]:
        """Side of every level's features, from low to high resolution; empty if there are no levels."""
        return ()

    @property
    def row_sides(self) -> tuple[int, ...]:
        """Side of the features that each row of w acts on, rising; empty if rows have no such place."""
        return ()

    def rows_of(self, other: "GeneratorConfig") -> list[int]:
        """The row of another network's w that each row here takes.

        Rows correspond by the side of the features that they act on: the rows of a side take those of that
        side in their order, spread evenly. What is smaller than all of the other network's features goes with
        its smallest ones; a side that it lacks, with the next smaller one. So networks that grow alike
        correspond row by row, and so do those that do not say the sides of their rows.

        Raises:
            ValueError: if the other network has fewer rows, and one of both does not say their sides.
        """
        ours, theirs = self.row_sides, other.row_sides
        alike = not (ours and theirs) or all(
            min(t, ours[-1]) == o for o, t in zip(ours, theirs, strict=False)
        )
        if alike and self.num_ws <= other.num_ws:
            return list(range(self.num_ws))
        if not (ours and theirs):
            raise ValueError(
                f"A w of {other.num_ws} rows, of a {other.family}, has too few for a {self.family} of "
                f"{self.num_ws} rows."
            )
        sides = [max([side for side in theirs if side <= own], default=theirs[0]) for own in ours]
        found = []
        for row, side in enumerate(sides):
            rows = [i for i, other_side in enumerate(theirs) if other_side == side]
            place = row - sides.index(side)
            found.append(rows[place * len(rows) // sides.count(side)])
        return found

    @property
    def largest_features(self) -> int:
        """Numbers in the largest features of one image, by which memory is estimated."""
        return max(64, self.img_channels) * self.resolution**2

    @property
    def family(self) -> str:
        """Name by which people look for such a network."""
        return self.architecture

    def describe(self) -> str:
        """What it is made of, in a few words."""
        blocks = [f"{kind} {getattr(self, kind)['name']}" for kind in KINDS if hasattr(self, kind)]
        return ", ".join(blocks) or self.architecture

    def with_mapping_of(self, other: "GeneratorConfig") -> "GeneratorConfig":
        """The config with another one's mapping network: its latents and w.

        Raises:
            ValueError: if one of the two has no such choice.
        """
        if not (hasattr(self, "mapping") and hasattr(other, "mapping")):
            raise ValueError(
                f"A {self.architecture} cannot take over the mapping network of a {other.architecture}."
            )
        with torch.device("meta"):
            rows_differ = self.num_ws != other.num_ws and other.build_mapping().rows_differ
        if rows_differ:
            raise ValueError(
                f"Each of the {other.num_ws} rows of w of a {other.family} is another: a network of "
                f"{self.num_ws} rows cannot take its mapping network over."
            )
        return replace(self, mapping=other.mapping, z_dim=other.z_dim, w_dim=other.w_dim)  # type: ignore[call-arg]

    def channel_scores(
        self,
        generator: "Generator",
        kind: str = "weights",
        *,
        samples: int = 50,
        seed: int = 0,
        levels: int | None = None,
    ) -> Scores:
        """Importance of a generator's channels, by which `inherited` chooses among them.

        Args:
            generator: Trainable generator of this config.
            kind: "weights", norms of the weights that read a channel, for networks whose demodulation keeps
                all channels alike; "response", how much a channel changes when w moves; "saliency", how much
                its strength moves the image, which costs a pass there and back per sample.
            samples: Number of latents for the two others than weights.
            seed: Seed of the first, and of all else that is random.
            levels: Number of levels, from the lowest, whose response is measured; None for all.

        Raises:
            ValueError: for an unknown kind or a number out of range.
        """
        return {}

    def kept_channels(self, teacher: "Generator", scores: Scores) -> dict[str, Tensor]:
        """Indices of a wider teacher's channels that `inherited` chooses, by the layer that gives them.

        Layers by their names in the generator, from the first to the last; none where nothing is chosen.
        Arguments are those of `inherited`.
        """
        return {}

    def inherited(self, teacher: "Generator", scores: Scores) -> dict[str, Tensor]:
        """Tensors by name for a generator of this config, copied from another generator.

        Every tensor whose name and shape agree; an architecture that can choose among the channels of a
        wider teacher adds what it makes of those.

        Args:
            teacher: Trainable generator of any architecture.
            scores: Importance of the teacher's channels: `teacher.config.channel_scores(teacher)`.

        Raises:
            TypeError: if the teacher is deployed, where the same names hold other numbers.
        """
        if teacher.form != "trainable":
            raise TypeError(
                f"Weights are inherited from a generator as create() gives it, not a {teacher!r}."
            )
        with torch.device("meta"):
            parts = nn.ModuleDict({"mapping": self.build_mapping(), "synthesis": self.build_synthesis()})
        shapes = {name: tensor.shape for name, tensor in parts.state_dict().items()}
        found = teacher.state_dict()
        names = [name for name in shapes if name in found and found[name].shape == shapes[name]]
        return {name: found[name].clone() for name in names}

    @property
    def architecture(self) -> str:
        """Name of the architecture in `GENERATORS`."""
        return GENERATORS.name_of(type(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "GeneratorConfig":
        """The config that a recipe or a config.json describes, of the architecture that it names.

        Raises:
            ValueError: for an unknown architecture or key, or a value that the config refuses.
        """
        data = dict(data)
        architecture = GENERATORS.get(data.pop(ARCHITECTURE, DEFAULT))
        if not issubclass(architecture, cls):
            raise ValueError(f"{architecture.__name__} is another architecture than {cls.__name__}.")
        only(data, architecture.keys(), f"setting of {WHAT}")
        return from_mapping(architecture, architecture.arguments(data), WHAT, blocks=KINDS)

    @classmethod
    def keys(cls) -> set[str]:
        """Keys that `from_dict` takes besides the architecture's: the fields and their shorthands."""
        return {f.name for f in fields(cls)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """A recipe of the architecture alone: its name and the defaults of its fields."""
        found = {f.name: f.default for f in fields(cls) if f.default is not MISSING}
        made = {f.name: f.default_factory() for f in fields(cls) if f.default_factory is not MISSING}
        return {ARCHITECTURE: GENERATORS.name_of(cls), **plain({**found, **made})}

    @classmethod
    def arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Fields that a mapping gives; an architecture with shorthands replaces them here."""
        return dict(data)

    def to_dict(self) -> dict[str, Any]:
        """Architecture and fields as plain lists, numbers and strings; `from_dict` takes them back."""
        return {ARCHITECTURE: self.architecture, **plain(self)}


GENERATORS: Registry[GeneratorConfig] = Registry("generator", needs_defaults=False)


def generator_keys() -> set[str]:
    """Keys that describe a generator of any architecture, in a recipe or a config.json."""
    return {ARCHITECTURE}.union(*(GENERATORS.get(name).keys() for name in GENERATORS.names()))
