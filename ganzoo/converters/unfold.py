"""Bounds what the contents of a file grow to with every shared part written out.

A container may hold another one many times over, that one a third, and so on: a few bytes unfold to a tree
without end for whoever walks, prints, names or copies it. What is checked here once, none has to fear later.
"""

from collections.abc import Iterable
from typing import Any

from ganzoo.converters.safe_pickle import UnsafePickleError
from ganzoo.converters.unknown import Unknown

MAX_NESTING = 100  # the deepest snapshot has 20
MAX_UNFOLDED = 64 << 20  # bytes of containers, names and texts; a snapshot has 10 MiB
_NODE = 200  # of them for every item of a container


def check_size(contents: Any, max_tensor_bytes: int) -> None:
    """Return if the contents, unfolded, are of a size that a checkpoint has.

    Args:
        contents: Dicts, lists, tuples and objects with a dict `state`; tensors have `float_bytes`.
        max_tensor_bytes: Largest size of all tensors together as float32.

    Raises:
        UnsafePickleError: if they are larger, nested too deep, or contain themselves.
    """
    sizes: dict[int, tuple[int, int, int, int]] = {}  # of what was seen: items, bytes, of tensors, depth
    entered: set[int] = set()
    stack = [(contents, False)]
    while stack:
        item, is_second = stack.pop()
        if id(item) in sizes:
            continue
        children = list(_children(item))
        if not is_second:
            if children:
                if id(item) in entered:
                    raise UnsafePickleError("The file's containers contain themselves.")
                entered.add(id(item))
                stack.append((item, True))
                stack += [(child, False) for _, child in children]
            continue
        items, size, tensors, depth = 1, _NODE, 0, 0
        for key, child in children:
            below = sizes.get(id(child)) or (1, _NODE + _length(child), getattr(child, "float_bytes", 0), 0)
            items += below[0]
            size += below[1] + (len(str(key)) + 1) * below[0]  # its name begins those of all below it
            tensors += below[2]
            depth = max(depth, below[3] + 1)
        sizes[id(item)] = (items, size, tensors, depth)
        if size > MAX_UNFOLDED or depth > MAX_NESTING:
            raise UnsafePickleError("The file's containers are too large or nested too deep.")
        if tensors > max_tensor_bytes:
            raise UnsafePickleError("The tensors of the file are larger than the file.")


def _children(item: Any) -> Iterable[tuple[Any, Any]]:
    """What a container holds, by its keys or places."""
    item = item.kept if isinstance(item, Unknown) else getattr(item, "state", item)
    if isinstance(item, dict):
        return item.items()
    return enumerate(item) if isinstance(item, list | tuple) else ()


def _length(item: Any) -> int:
    """Bytes of a text or a set."""
    if isinstance(item, set | frozenset):
        return _NODE * len(item)
    return len(item) if isinstance(item, str | bytes) else 0
