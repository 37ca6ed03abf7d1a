"""A pluggable model zoo for style-based GANs.

G = ganzoo.create("mobilestylegan_ffhq")
images = G(G.sample_z(4, seed=0), truncation_psi=0.7)
"""

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo.system.lazy import module, modules
from ganzoo.system.version import __version__

if TYPE_CHECKING:
    from ganzoo.cards.information import info
    from ganzoo.converters.conversion import convert
    from ganzoo.generators.config import GeneratorConfig
    from ganzoo.generators.deploy import deploy
    from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
    from ganzoo.generators.generator import Generator, mix_styles
    from ganzoo.generators.synthesis import Output
    from ganzoo.hub.push import push
    from ganzoo.latent.generating import generate_images
    from ganzoo.models.factory import create, list_blocks
    from ganzoo.models.published import list_models
    from ganzoo.models.recipes import list_recipes
    from ganzoo.models.reference import reference
    from ganzoo.models.verification import verify
    from ganzoo.models.weights import load, save

# Loaded on first use, so that the command line answers --help without waiting for torch.
_HOMES = {
    "convert": "ganzoo.converters.conversion",
    "create": "ganzoo.models.factory",
    "list_blocks": "ganzoo.models.factory",
    "generate_images": "ganzoo.latent.generating",
    "GeneratorConfig": "ganzoo.generators.config",
    "deploy": "ganzoo.generators.deploy",
    "Discriminator": "ganzoo.generators.discriminator",
    "DiscriminatorConfig": "ganzoo.generators.discriminator",
    "Generator": "ganzoo.generators.generator",
    "mix_styles": "ganzoo.generators.generator",
    "Output": "ganzoo.generators.synthesis",
    "info": "ganzoo.cards.information",
    "list_models": "ganzoo.models.published",
    "list_recipes": "ganzoo.models.recipes",
    "load": "ganzoo.models.weights",
    "push": "ganzoo.hub.push",
    "reference": "ganzoo.models.reference",
    "save": "ganzoo.models.weights",
    "verify": "ganzoo.models.verification",
}

__all__ = [
    "Discriminator",
    "DiscriminatorConfig",
    "Generator",
    "GeneratorConfig",
    "Output",
    "__version__",
    "convert",
    "create",
    "deploy",
    "generate_images",
    "info",
    "list_blocks",
    "list_models",
    "list_recipes",
    "load",
    "mix_styles",
    "push",
    "reference",
    "save",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return module(__name__, name)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *modules(__name__), *_HOMES})
