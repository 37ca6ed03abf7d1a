"""Registries: names to block classes. A class's constructor is the closed schema of the block's options.

A block takes *context* (channel counts, width of w) from the code that assembles the network and *options*
from recipes and configs; the two never mix, and no config can name anything that was not registered.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Generic, TypeVar

from ganzoo.plugins import missing_block, watch
from ganzoo.system.validation import checked, hints, only, unknown

T = TypeVar("T")
Spec = Mapping[str, Any]


class Registry(Generic[T]):
    """The blocks of one kind.

    Args:
        kind: Name of the kind, also the recipe's key and the folder of its title cards.
        context: Constructor arguments that only code may give. Every registered class takes all of them.
        needs_defaults: Whether every option must have a default.
    """

    def __init__(self, kind: str, *, context: Iterable[str] = (), needs_defaults: bool = True) -> None:
        self.kind = kind
        self.context = tuple(context)
        self.needs_defaults = needs_defaults
        self._classes: dict[str, type[T]] = {}
        watch(self)

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
            spec: Name of a block, or a mapping of `name` and options.

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
        known, given = self.options(spec["name"]), {k: v for k, v in spec.items() if k != "name"}
        only(given, known, f"option of {self.kind} {spec['name']!r}")
        annotated = hints(cls.__init__)
        options = {key: checked(value, annotated[key], f"{self.kind}.{key}") for key, value in given.items()}
        return {"name": spec["name"], **known, **options}

    def build(self, spec: str | Spec, **context: Any) -> T:
        """The block that a spec describes, given its context."""
        options = self.complete(spec)
        cls = self.get(options.pop("name"))
        return cls(**context, **options)


_signature = cache(inspect.signature)  # every block of a network asks for it


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    """Constructor arguments of a class."""
    return _signature(cls).parameters


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
