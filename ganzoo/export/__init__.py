"""Files for other engines: one module a target, all with the same functions; see `ganzoo.export.targets`."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
