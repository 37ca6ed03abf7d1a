"""Images to train on and to measure with: read, resized, and prepared as StyleGAN's zips."""

from ganzoo.data.decoding import MAX_PIXELS
from ganzoo.data.formats import EXTENSIONS
from ganzoo.data.prepare import Report, prepare
from ganzoo.data.reading import ImageSet
from ganzoo.data.resize import RESIZER, resize, to_uint8
from ganzoo.system.lazy import offer_modules

__all__ = ["EXTENSIONS", "MAX_PIXELS", "RESIZER", "ImageSet", "Report", "prepare", "resize", "to_uint8"]

offer_modules(__name__)
