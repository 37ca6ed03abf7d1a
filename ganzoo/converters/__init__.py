"""Foreign checkpoints to ganzoo's own, without running anything that they name."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
