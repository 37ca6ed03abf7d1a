"""Where the tensors of a generator lie, for converters: files of others count layers through all levels."""

CONST = "synthesis.levels.0.const"


def layer_name(row: int) -> str:
    """Name of the styled layer that reads a row of w; row 0 is that of the constant."""
    level, is_upsampler = (row + 1) // 2, row % 2
    return f"synthesis.levels.{level}.{'upsample' if is_upsampler else 'conv'}"


def conv_name(row: int) -> str:
    """Name of the modulated convolution within that layer."""
    return f"{layer_name(row)}.conv.conv" if is_upsampling(row) else f"{layer_name(row)}.conv"


def is_upsampling(row: int) -> bool:
    """Whether the layer that reads a row of w doubles the size."""
    return row % 2 == 1


def layer_side(row: int) -> int:
    """Side of what that layer gives, and of its noise."""
    return int(2 ** ((row + 1) // 2 + 2))


def last_layer_name(level: int) -> str:
    """Name of the styled layer that a level ends with."""
    return f"synthesis.levels.{level}.conv"


def bias_name(level: int) -> str:
    """Name of the bias at a level's end, as long as the level is wide."""
    return f"{last_layer_name(level)}.bias"


def shortcut_name(level: int) -> str:
    """Name of the path around a level's convolutions."""
    return f"synthesis.levels.{level}.shortcut"


def features_name(level: int) -> str:
    """Name of the place where a level's features leave it."""
    return f"synthesis.levels.{level}"


def inner_name(level: int) -> str:
    """Name of what gives the channels in front of a level's last convolution."""
    return f"synthesis.levels.{level}.upsample" if level else CONST
