"""Images back to w: projection, and a generator tuned around it."""

from typing import TYPE_CHECKING

from ganzoo.system.lazy import offer_modules

if TYPE_CHECKING:
    from ganzoo.projection.projecting import Projected, project
    from ganzoo.projection.schedule import Schedule
    from ganzoo.projection.tuning import tune

__all__ = ["Projected", "Schedule", "project", "tune"]

offer_modules(
    __name__,
    {
        "project": "ganzoo.projection.projecting",
        "Projected": "ganzoo.projection.projecting",
        "tune": "ganzoo.projection.tuning",
        "Schedule": "ganzoo.projection.schedule",
    },
)
