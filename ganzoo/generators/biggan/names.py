"""Where the blocks of a BigGAN lie, for converters: files of others count them through all levels."""

from collections.abc import Iterator

from ganzoo.generators.biggan.config import BigGANConfig

LINEAR = "synthesis.levels.0.linear"
EMBEDDING = "mapping.embed.weight"


def block_names(config: BigGANConfig) -> list[str]:
    """Names of all blocks, in their order."""
    return [name for name, _ in _places(config) if ".blocks." in name]


def attention_names(config: BigGANConfig) -> dict[int, str]:
    """Names of the self-attentions by the number of blocks in front of each."""
    return {count: name for name, count in _places(config) if ".attention." in name}


def _places(config: BigGANConfig) -> Iterator[tuple[str, int]]:
    level = within = 0
    for count in range(len(config.places) + 1):
        if count:
            place = config.places[count - 1]
            level, within = place.level, 0 if place.level > level else within
            yield f"synthesis.levels.{level}.blocks.{within}", count
            within += 1
        if count in config.attention:
            yield f"synthesis.levels.{level}.attention.{within}", count
