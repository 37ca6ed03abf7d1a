"""Several models side by side on one page: images of the same seeds, differences, cost, quality."""

from typing import TYPE_CHECKING

from ganzoo.system.lazy import offer_modules

if TYPE_CHECKING:
    from ganzoo.compare.measure import Settings
    from ganzoo.compare.side_by_side import compare

__all__ = ["Settings", "compare"]

_HOMES = {"Settings": "ganzoo.compare.measure", "compare": "ganzoo.compare.side_by_side"}
offer_modules(__name__, _HOMES)
