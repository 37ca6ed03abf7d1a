"""Where the tensors of a generator lie, for converters: files of others count layers through all levels."""

CONST = "synthesis.levels.0.const"


def layer_name(row: int) -> str:
    """Name of the layer that reads a row of w; row 0 is that of the constant."""
    level, is_second = divmod(row, 2)
    first = "upsample" if level else "input"
    return f"synthesis.levels.{level}.{'conv' if is_second else first}"


def conv_name(row: int) -> str:
    """Name of the convolution within that layer, from row 1 on."""
    return f"{layer_name(row)}.conv.conv" if is_upsampling(row) else f"{layer_name(row)}.conv"


def is_upsampling(row: int) -> bool:
    """Whether the layer that reads a row of w doubles the size."""
    return row > 0 and row % 2 == 0


def layer_side(row: int) -> int:
    """Side of what that layer gives, and of its noise."""
    return 4 << row // 2
