"""Training: one loop, tasks that declare phases, run directories that resume."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
