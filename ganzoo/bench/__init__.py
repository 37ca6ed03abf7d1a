"""How fast generators are here, and what they take: `ganzoo bench`."""

from typing import TYPE_CHECKING

from ganzoo.system.lazy import offer_modules

if TYPE_CHECKING:
    from ganzoo.bench.benchmark import BenchRequest, bench

__all__ = ["BenchRequest", "bench"]

offer_modules(__name__, dict.fromkeys(__all__, "ganzoo.bench.benchmark"))
