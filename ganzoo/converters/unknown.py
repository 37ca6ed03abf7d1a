"""What a file names that nobody here knows: kept as a name, never imported, made or called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN = 80
_MODULE = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True)
class Name:
    """A global that a file mentions. Inert: a value or a key, with which nothing can be done."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Unknown(dict[Any, Any]):
    """What a file has made by a class or a function that is not known here.

    Nothing is made. The items that the file sets are kept, so that another package's dict is still a dict,
    and the state of a module, so that its tensors are accounted for; all else is dropped at once. Two are
    equal only if they are one, and their hash costs nothing, whatever a file puts into them.

    Args:
        name: Printable name of the class or function.
    """

    __slots__ = ("name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: dict[Any, Any] = {}

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Unknown({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:  # type: ignore[override]
        return object.__hash__(self)

    def set_state(self, state: Any) -> None:
        """Keep a module's attributes, and of others none: their objects often hold each other in circles."""
        if isinstance(state, tuple) and state:  # attributes, and those of slots
            state = state[0]
        if isinstance(state, dict) and is_module(state):
            self.state = {kind: state[kind] for kind in _MODULE}

    @property
    def kept(self) -> dict[Any, Any]:
        """The three dicts of a module, or else the items."""
        return self.state or self

    @property
    def children(self) -> dict[Any, Any]:
        """Parameters, buffers and modules of a module, or else the items."""
        return children_of_module(self.state) if self.state else self


class UnknownNeededError(ValueError):
    """A network cannot be had without something that is not known here.

    Args:
        thing: Value, or what it is a part of, as the file's contents hold it.
        name: Name of the class or function that would make it.
    """

    def __init__(self, thing: object, name: str) -> None:
        super().__init__(f"The network needs what {name} makes, which is not known here.")
        self.thing, self.name = thing, name


def is_module(state: Mapping[Any, Any]) -> bool:
    """Whether attributes are those of a module of PyTorch."""
    return all(isinstance(state.get(kind), dict) for kind in _MODULE)


def children_of_module(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """Parameters, buffers and modules of a module's attributes, by their names."""
    return {name: value for kind in _MODULE for name, value in state[kind].items()}


def attributes_of_module(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """All other attributes."""
    return {name: value for name, value in state.items() if name not in _MODULE}


def shown(value: object) -> str:
    """What a file says, for a message: short and printable; of what is no text, only the kind."""
    if not isinstance(value, str | Name | Unknown):
        return f"a {type(value).__name__}"
    text = str(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return "".join(c if c.isprintable() else "�" for c in text)
