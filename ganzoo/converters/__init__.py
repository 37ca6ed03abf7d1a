"""Foreign checkpoints to ganzoo's own, without running anything that they name."""

from ganzoo._lazy import offer_modules

offer_modules(__name__)
