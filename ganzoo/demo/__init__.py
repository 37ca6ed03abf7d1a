"""A page in the browser for one model: seeds, mixing, directions, walks and projection, by Gradio.

import ganzoo.demo

ganzoo.demo.app("mobilestylegan_ffhq_64_lite").launch()
"""

from typing import TYPE_CHECKING

from ganzoo.system.lazy import offer_modules

if TYPE_CHECKING:
    from ganzoo.demo.page import app

__all__ = ["app"]

offer_modules(__name__, {"app": "ganzoo.demo.page"})
