"""Several models side by side on one page: images of the same seeds, differences, cost, quality."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
