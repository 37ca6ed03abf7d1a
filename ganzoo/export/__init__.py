"""Files for other engines: one module a target, all with the same functions; see `ganzoo.export.targets`."""
