"""Registries: names to block classes. A class's constructor is the closed schema of the block's options.

A block takes *context* (channel counts, style width) from the code that assembles the network and *options*
from recipes and configs; the two never mix, and no config can name anything that was not registered.
"""

import difflib
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from ganzoo.plugins import missing_block

T = TypeVar("T")
Spec = Mapping[str, Any]


class Registry(Generic[T]):
    """The blocks of one kind.

    Args:
        kind: the name of the kind, which is also the recipe's key and the folder of its title cards.
        context: constructor arguments that only code may give. Every registered class takes all of them.
        needs_defaults: Whether every option must have a default.
    """

    def __init__(self, kind: str, *, context: Iterable[str] = (), needs_defaults: bool = True) -> None:
        self.kind = kind
        self.context = tuple(context)
        self.needs_defaults = needs_defaults
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Decorator that gives a class its name.

        Raises:
            ValueError: if the name is taken.
            TypeError: if the constructor takes `**kwargs` or `*args`, lacks a context argument, or has an
                option without a default or an annotation.
        """

        def decorator(cls: type[T]) -> type[T]:
            if name in self._classes:
                raise ValueError(
                    f"{self.kind} {name!r} is already registered, by {_path(self._classes[name])}."
                )
            parameters = _parameters(cls)
            for parameter in parameters.values():
                if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    raise TypeError(
                        f"{_path(cls)} takes {parameter}: its signature is the schema and must be closed."
                    )
                is_bare = parameter.name not in self.context and parameter.default is parameter.empty
                if is_bare and self.needs_defaults:
                    raise TypeError(f"Option {parameter.name!r} of {_path(cls)} needs a default.")
                if parameter.annotation is parameter.empty:
                    raise TypeError(f"Argument {parameter.name!r} of {_path(cls)} needs an annotation.")
            if missing := [key for key in self.context if key not in parameters]:
                raise TypeError(
                    f"{_path(cls)} must take what every {self.kind} is given: {', '.join(missing)}."
                )
            self._classes[name] = cls
            return cls

        return decorator

    def unregister(self, name: str) -> None:
        """Forget the class of that name, such as one that a test registered.

        Raises:
            ValueError: if there is none.
        """
        self.get(name)
        del self._classes[name]

    def names(self) -> list[str]:
        """Registered names, sorted."""
        return sorted(self._classes)

    def classes(self) -> dict[str, type[T]]:
        """Registered classes by their names."""
        return dict(self._classes)

    def restore(self, classes: dict[str, type[T]]) -> None:
        """Know these classes and no others."""
        self._classes = dict(classes)

    def name_of(self, cls: type) -> str:
        """The name under which a class is registered.

        Raises:
            TypeError: if it is not.
        """
        for name, known in self._classes.items():
            if known is cls:
                return name
        raise TypeError(f"{_path(cls)} is no registered {self.kind}.")

    def get(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            ValueError: if there is none.
        """
        if not isinstance(name, str) or name not in self._classes:
            raise ValueError(f"{unknown(self.kind, name, self._classes)} {missing_block()}")
        return self._classes[name]

    def options(self, name: str) -> dict[str, Any]:
        """Options of a block with their defaults."""
        parameters = _parameters(self.get(name)).values()
        return {p.name: p.default for p in parameters if p.name not in self.context}

    def complete(self, spec: str | Spec) -> dict[str, Any]:
        """The spec with every default spelt out: `{"name": ..., option: value, ...}`.

        Args:
            spec: a block's name, or a mapping of `name` and options.

        Raises:
            ValueError: for an unknown block or option, or an option of the wrong type.
            TypeError: if the spec is neither a string nor a mapping.
        """
        if isinstance(spec, str):
            spec = {"name": spec}
        if not isinstance(spec, Mapping):
            raise TypeError(f"A {self.kind} is given by name or as a mapping of its options; got {spec!r}.")
        if "name" not in spec:
            raise ValueError(f"A {self.kind} needs a name: {', '.join(self.names())}.")
        cls = self.get(spec["name"])
        known = self.options(spec["name"])
        hints = typing.get_type_hints(cls.__init__)
        options = dict(known)
        for key, value in spec.items():
            if key == "name":
                continue
            if key not in known:
                what = f"option of {self.kind} {spec['name']!r}"
                raise ValueError(unknown(what, key, known))
            options[key] = checked(value, hints[key], f"{self.kind}.{key}")
        return {"name": spec["name"], **options}

    def build(self, spec: str | Spec, **context: Any) -> T:
        """The block that a spec describes, given its context."""
        options = self.complete(spec)
        cls = self.get(options.pop("name"))
        return cls(**context, **options)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Message for a name that does not exist: what exists, and one near match."""
    known = sorted(known)
    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.6)
    hint = f" Did you mean {lower[near[0]]!r}?" if near else ""
    return f"Unknown {what}: {name!r}.{hint} Choose from: {', '.join(known) or 'none'}."


def checked(value: Any, hint: Any, where: str) -> Any:
    """`value` if it is of the annotated type (lists become tuples, integers serve as floats).

    Raises:
        ValueError: if it is not.
    """
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for choice in typing.get_args(hint):
            try:
                return checked(value, choice, where)
            except ValueError:
                continue
    elif typing.get_origin(hint) is tuple:
        items = typing.get_args(hint)
        if isinstance(value, list | tuple) and (items[-1] is ... or len(items) == len(value)):
            kinds = [items[0]] * len(value) if items[-1] is ... else items
            return tuple(checked(v, kind, where) for v, kind in zip(value, kinds, strict=True))
    elif typing.get_origin(hint) is typing.Literal:
        if value in typing.get_args(hint):
            return value
        raise ValueError(f"{where} is one of {', '.join(map(str, typing.get_args(hint)))}; got {value!r}.")
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # neither NaN, nor infinite, nor an integer beyond floats
            return float(value)
    elif isinstance(hint, type) and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    name = hint.__name__ if isinstance(hint, type) else str(hint)
    raise ValueError(f"{where} must be {name}; got {value!r}.")


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Constructor arguments of a class."""
    return {p.name: p for p in inspect.signature(cls).parameters.values()}


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
