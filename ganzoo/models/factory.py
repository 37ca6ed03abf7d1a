"""`create`: a name to a generator, with its weights where it has any."""

import inspect
import os
import threading
from pathlib import Path
from typing import Any, overload

import torch
from torch import nn

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.models.catalogue import family
from ganzoo.models.published import differences
from ganzoo.models.published import list_models as list_models
from ganzoo.models.published import model_entry as model_entry
from ganzoo.models.published import source_name as source_name
from ganzoo.models.recipes import override
from ganzoo.models.reference import Folder, Name, reference
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE
from ganzoo.plugins import load_plugins
from ganzoo.system.validation import unknown

INIT_SEED = 0
_GLOBAL_RANDOM = threading.Lock()  # one thread at a time borrows torch's global random state


def create(
    name: Name,
    *,
    pretrained: bool | None = None,
    device: str | torch.device = "cpu",
    cache_dir: str | os.PathLike[str] | None = None,
    **overrides: Any,
) -> Generator:
    """A generator, float32 and in eval mode.

    Args:
        name: Published model (`mobilestylegan_ffhq`), recipe (`mobilestylegan`), folder (its path, also as
            `dir:path`, which no other name goes before; of a model, or a run, whose student it is then) or a
            model on the Hub (`hf-hub:owner/name@revision`); or its `Reference`.
        pretrained: None loads weights where the name has them; True insists on them; False draws them at
            random, the same ones at every call.
        device: Device of the generator.
        cache_dir: Folder for downloaded weights; by default `~/.cache/ganzoo`, and for models on the Hub
            where its client keeps them.
        overrides: Other settings: a string picks another block (`conv="full"`), a mapping sets its options
            (`mapping={"depth": 4}`), anything else sets a field (`resolution=256`).

    Raises:
        ValueError: for an unknown name, block, option or setting, or weights that do not fit the overrides.
        OSError: if weights cannot be had.
    """
    model = reference(name, cache_dir)
    if model.entry is not None and pretrained is not False and "resolution" in overrides:
        _point_to_member(model.name, overrides["resolution"])
    config = GeneratorConfig.from_dict(override(model.settings(), overrides))
    if not (model.has_weights if pretrained is None else pretrained):
        return build(config).to(device)
    if model.has_weights and config != model.config():
        raise ValueError(
            f"The weights of {model.name!r} do not fit these overrides: "
            f"{differences(model.config(), config)}. pretrained=False gives random weights."
        )
    return model.load().to(device)


def _point_to_member(name: str, resolution: Any) -> None:
    """Raise ValueError for a size that another model of the family has; the message says which."""
    models = family(name)
    own = next((m["resolution"] for m in models if m["name"] == name), resolution)
    if resolution != own and (fit := [m["name"] for m in models if m["resolution"] == resolution]):
        others = f"{' and '.join(fit)} {'has' if len(fit) == 1 else 'have'} it"
        raise ValueError(
            f"The weights of {name!r} are for {own} x {own}, not for {resolution} x {resolution}: {others}. "
            "pretrained=False gives random weights."
        )


def config_of(name: Name, cache_dir: str | os.PathLike[str] | None = None) -> GeneratorConfig:
    """The config of a published model, a recipe, a model directory or one on the Hub, without its weights.

    Args:
        name: Name as `create` takes it.
        cache_dir: Folder for the config of a model on the Hub, as for `create`.

    Raises:
        ValueError: for an unknown name.
    """
    return reference(name, cache_dir).config()


def folder_of(name: Name) -> Path:
    """The model folder that a name stands for.

    Raises:
        ValueError: if it is no folder's name.
        FileNotFoundError: if no model is there.
    """
    model = reference(name)
    if not isinstance(model, Folder):
        raise ValueError(
            f"{model.name!r} is no folder of a model, which holds {CONFIG_FILE} and {WEIGHTS_FILE}."
        )
    return model.folder


@overload
def build(config: GeneratorConfig, seed: int = INIT_SEED) -> Generator: ...


@overload
def build(config: DiscriminatorConfig, seed: int = INIT_SEED) -> Discriminator: ...


@torch.inference_mode(False)  # what is made in inference mode could never be trained
def build(config: GeneratorConfig | DiscriminatorConfig, seed: int = INIT_SEED) -> Generator | Discriminator:
    """A network with random weights, which depend on the seed alone.

    No global random state is read or moved.
    """
    network = empty(config)
    random = torch.Generator("cpu").manual_seed(seed)
    for module in network.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if any(tensor.is_meta for tensor in own):
            module._apply(_as_nan, recurse=False)  # type: ignore[no-untyped-call]
            _initialize(module, random)
    for name, tensor in network.state_dict().items():
        if tensor.isnan().any():
            raise TypeError(f"{name!r} has no initial value: reset_parameters of its block must fill it.")
    return network


def list_blocks(kind: str) -> list[str]:
    """Names of the registered blocks of a kind, sorted.

    Raises:
        ValueError: for an unknown kind.
    """
    load_plugins()
    if kind not in KINDS:
        raise ValueError(unknown("kind of block", kind, KINDS))
    return KINDS[kind].names()


def _as_nan(tensor: torch.Tensor) -> torch.Tensor:
    """Memory for a tensor on the meta device, marked as not yet filled."""
    return torch.full_like(tensor, float("nan"), device="cpu") if tensor.is_meta else tensor


def _initialize(module: nn.Module, random: torch.Generator) -> None:
    """Call a module's `reset_parameters` with the generator; torch's own layers under a seed of it."""
    reset = getattr(module, "reset_parameters", None)
    if reset is None:
        raise TypeError(
            f"{type(module).__name__} holds parameters: it needs reset_parameters(generator=None)."
        )
    if "generator" in inspect.signature(reset).parameters:
        reset(generator=random)
        return
    seed = int(torch.randint(2**31, [], generator=random, device="cpu"))
    with _GLOBAL_RANDOM, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed other devices, too
        reset()
