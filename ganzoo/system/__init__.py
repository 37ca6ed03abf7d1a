"""What any program needs: files, paths, progress, interruption, memory, images as bytes."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
