"""Networks whose features tell how alike images are, for losses and metrics."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
