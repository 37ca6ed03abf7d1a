"""Moving in latent space: saved w, directions, edits, mixing."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
