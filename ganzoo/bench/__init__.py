"""How fast generators are here, and what they take: `ganzoo bench`."""
