"""Quality figures of generators, each with the protocol that it was measured by."""

from typing import TYPE_CHECKING

from ganzoo.system.lazy import offer_modules

if TYPE_CHECKING:
    from ganzoo.metrics.evaluation import EvalRequest, evaluate
    from ganzoo.metrics.sampling import Sampling

__all__ = ["EvalRequest", "Sampling", "evaluate"]

_HOMES = {
    "EvalRequest": "ganzoo.metrics.evaluation",
    "Sampling": "ganzoo.metrics.sampling",
    "evaluate": "ganzoo.metrics.evaluation",
}
offer_modules(__name__, _HOMES)
