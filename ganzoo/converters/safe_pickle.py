"""Reads pickles without running them: an interpreter of opcodes that builds inert data.

A pickle is a program that may import and call anything. This reader executes the opcodes itself. A name in
the file becomes a `Name`, never an import; a call is made only to the stand-ins that the caller gives, which
build tensors, arrays and records; of any other, only its name is kept, as an `Unknown`.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.converters.unknown import Name, Unknown, shown

MAX_OPCODES = 300_000  # in all streams of a file; a 1024 x 1024 training snapshot has about 50,000
MAX_NESTED_STREAMS = 4
MAX_STRING = 1 << 20
MAX_TEXT = 16 << 20  # of all streams: in memory, one emoji makes every letter of a text take four bytes
MAX_INTEGER_BYTES = 64
MAX_LINE = 1000  # of a number or a name
MAX_NAME = 500  # characters of a key or a name
MAX_KEY_ITEMS = 16
MAX_KEY_INTEGER = 1 << 60  # larger ones share their hashes: a dict of them takes quadratic time
MAX_ODD_KEYS = 2_000  # other numbers and tuples, whose hashes a file can choose as well
_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_BINARY = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")


class UnsafePickleError(ValueError):
    """A pickle is malformed, or too large."""


@dataclass
class Limits:
    """What is left to spend on one file, over all of its streams."""

    tensor_bytes: int
    opcodes: int = MAX_OPCODES
    streams: int = MAX_NESTED_STREAMS
    text: int = MAX_TEXT
    odd_keys: int = MAX_ODD_KEYS

    def spend(self, items: int = 1) -> None:
        """Count opcodes, or the items that one of them copies.

        Raises:
            UnsafePickleError: if none is left.
        """
        self.opcodes -= items
        if self.opcodes < 0:
            raise UnsafePickleError(f"The file has more than {MAX_OPCODES} opcodes and items.")

    def spend_text(self, length: int) -> None:
        """Count bytes of text.

        Raises:
            UnsafePickleError: if there are too many.
        """
        self.text -= length
        if length > MAX_STRING or self.text < 0:
            raise UnsafePickleError(f"The pickle is too large: a text of {length} bytes.")


class Pickle:
    """One stream of opcodes in a buffer.

    Args:
        data: Buffer to read; values that are bytes stay views of it.
        stand_ins: Functions that stand for names that are called or built, by dotted path:
            `call(*arguments)`.
        persistent: Function that resolves a persistent id; None refuses them.
        limits: Limits that are shared by the streams of a file.
        position: Place of the first opcode.

    Attributes:
        position: Place after `load` of the first byte behind the stream.
    """

    def __init__(
        self,
        data: memoryview,
        *,
        stand_ins: Mapping[str, Callable[..., Any]],
        limits: Limits,
        persistent: Callable[[Any], Any] | None = None,
        position: int = 0,
    ) -> None:
        self.data = data
        self.stand_ins = stand_ins
        self.limits = limits
        self.persistent = persistent
        self.position = position
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object that the stream describes.

        Raises:
            UnsafePickleError: if it is malformed or too large.
        """
        while True:
            name, argument = self.next_opcode()
            if name == "STOP":
                return self.pop()
            try:
                self.execute(name, argument)
            except UnsafePickleError:
                raise
            except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
                raise UnsafePickleError(
                    f"The pickle is malformed at {name}: {type(error).__name__}."
                ) from error

    def next_opcode(self) -> tuple[str, Any]:
        """Name and argument of the next opcode; its length is checked before it is read."""
        self.limits.spend()
        code = self.take(1)[0]
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise UnsafePickleError(f"The pickle is malformed: no opcode {chr(code)!r}.")
        if opcode.arg is None:
            return opcode.name, None
        if opcode.arg is pickletools.uint1:  # a third of all opcodes, by a shorter way
            return opcode.name, self.take(1)[0]
        start, size = self.position, opcode.arg.n
        if size == pickletools.UP_TO_NEWLINE:
            is_text = opcode.name in _TEXTS
            size = self.line(MAX_STRING if is_text else MAX_LINE)
            if opcode.name in ("GLOBAL", "INST"):
                self.position = start + size
                size += self.line(MAX_LINE)
            self.limits.spend_text(size if is_text else 0)
        elif size < 0:  # a length, then as many bytes
            width = {
                pickletools.TAKEN_FROM_ARGUMENT1: 1,
                pickletools.TAKEN_FROM_ARGUMENT4: 4,
                pickletools.TAKEN_FROM_ARGUMENT4U: 4,
                pickletools.TAKEN_FROM_ARGUMENT8U: 8,
            }[size]
            length = int.from_bytes(self.take(width), "little")
            if opcode.name in _BINARY:
                payload = self.take(length)
                return opcode.name, payload if length > MAX_KEY_ITEMS else bytes(payload)
            if opcode.name not in _TEXTS and length > MAX_INTEGER_BYTES:
                raise UnsafePickleError(f"The pickle is too large at {opcode.name}: {length} bytes.")
            self.limits.spend_text(length)
            size = width + length
        self.position = start
        try:
            return opcode.name, opcode.arg.reader(io.BytesIO(bytes(self.take(size))))
        except (ValueError, AttributeError, IndexError) as error:
            kind = type(error).__name__  # its text may quote a megabyte
            raise UnsafePickleError(f"The pickle is malformed at {opcode.name}: {kind}.") from error

    def line(self, limit: int) -> int:
        """Length of the line that begins here, with its end."""
        width = 64
        while True:
            end = bytes(self.data[self.position : self.position + width]).find(b"\n")
            if end >= 0:
                return end + 1
            if width >= limit or self.position + width >= len(self.data):
                raise UnsafePickleError("The pickle is malformed: a line without an end, or too long.")
            width = min(4 * width, limit)

    def take(self, size: int) -> memoryview:
        """The next bytes."""
        if size > len(self.data) - self.position:
            raise UnsafePickleError("The pickle ends in the middle.")
        self.position += size
        return self.data[self.position - size : self.position]

    def pop(self) -> Any:
        """The top of the stack, above the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise UnsafePickleError("The pickle is malformed: it takes from an empty stack.")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        """What was pushed since the last mark."""
        if not self.marks:
            raise UnsafePickleError("The pickle is malformed: no mark is set.")
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def execute(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "POP":
            self.pop()
        elif name == "POP_MARK":
            self.pop_to_mark()
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in _CONTAINERS:
            self.stack.append(self.container(name))
        elif name in _ADDITIONS:
            self.add(name)
        elif name in _GLOBALS:
            self.stack.append(self.named(name, argument))
        elif name in _CALLS:
            self.stack.append(self.called(name, argument))
        elif name == "BUILD":
            self.set_state()
        elif name in ("BINPERSID", "PERSID"):
            if self.persistent is None:
                raise UnsafePickleError("The pickle refers to data outside of it.")
            self.stack.append(self.persistent(self.pop() if name == "BINPERSID" else argument))
        else:
            raise UnsafePickleError(f"The pickle uses {name}, which no checkpoint needs.")

    def container(self, name: str) -> Any:
        """The new container of an opcode, of what was pushed for it."""
        if name in _EMPTY:
            return _EMPTY[name]()
        if name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            return tuple(reversed([self.pop() for _ in range(int(name[-1]))]))
        items = self.pop_to_mark()
        if name == "TUPLE":
            return tuple(items)
        if name == "DICT":
            return {self.key(k): v for k, v in zip(items[::2], items[1::2], strict=True)}
        return frozenset(map(self.key, items)) if name == "FROZENSET" else items

    def add(self, name: str) -> None:
        """Add what was pushed to the container below it."""
        count = {"APPEND": 1, "SETITEM": 2}.get(name)
        items = self.pop_to_mark() if count is None else [self.pop() for _ in range(count)][::-1]
        if name in ("APPEND", "APPENDS"):
            self.target(list).extend(items)
        elif name == "ADDITEMS":
            self.target(set).update(map(self.key, items))
        else:
            target = self.target(dict)
            for key, value in zip(items[::2], items[1::2], strict=True):
                target[self.key(key)] = value

    def named(self, name: str, argument: Any) -> Name:
        """The global that an opcode stands for."""
        if name in ("EXT1", "EXT2", "EXT4"):
            return Name("copyreg", f"extension_{argument}")
        if name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
        else:
            module, _, attribute = argument.partition(" ")
        return Name(plain_name(module), plain_name(attribute))

    def called(self, name: str, argument: Any) -> Any:
        """What an opcode's call makes: a stand-in's data, or an `Unknown`."""
        if name == "INST":
            function: Any = self.named(name, argument)
            return self.call(function, tuple(self.pop_to_mark()))
        if name == "OBJ":
            function, *rest = self.pop_to_mark()
            return self.call(function, tuple(rest))
        keywords = self.pop() if name == "NEWOBJ_EX" else None
        arguments, function = self.pop(), self.pop()
        return Unknown(shown(function)) if keywords else self.call(function, arguments)

    def set_state(self) -> None:
        """Give the object below the top of the stack its state; a dict's, such as versions, is dropped."""
        state, target = self.pop(), self.stack[-1]
        self.limits.spend(len(state) if isinstance(state, dict) else 0)
        if hasattr(target, "set_state"):
            target.set_state(state)
        elif not isinstance(target, dict):
            self.stack[-1] = Unknown(shown(target))

    def key(self, value: Any) -> Any:
        """A key that hashes and compares quickly: nested tuples that share their parts could take forever.

        In the place of a key that may not, there is one that is equal to no other.
        """
        if isinstance(value, Name | Unknown) or (type(value) is int and abs(value) < MAX_KEY_INTEGER):
            return value
        if isinstance(value, str):
            return value if _is_plain(value) else Unknown("a text")
        if isinstance(value, list | dict | set):
            raise UnsafePickleError(f"The pickle uses a {type(value).__name__} as a key.")
        self.limits.odd_keys -= 1
        parts = value if type(value) is tuple else (value,)
        if self.limits.odd_keys < 0 or len(parts) > MAX_KEY_ITEMS or not all(map(_is_key, parts)):
            return Unknown(shown(value))
        return value

    def target(self, kind: type) -> Any:
        """The container on top of the stack that items are added to."""
        top = self.stack[-1] if self.stack else None
        if type(top) is Unknown:
            return top if kind is dict else kind()  # the items of an unknown list or set are dropped
        if type(top) is not kind:
            raise UnsafePickleError(f"The pickle adds items to something that is no {kind.__name__}.")
        return top

    def call(self, function: Any, arguments: Any) -> Any:
        """What a stand-in makes of the arguments, or an `Unknown`."""
        if not isinstance(function, Name | Unknown):
            raise UnsafePickleError(f"The pickle is malformed: it calls {shown(function)}.")
        stand_in = self.stand_ins.get(str(function)) if isinstance(function, Name) else None
        if stand_in is None:
            return Unknown(shown(function))
        if type(arguments) is not tuple:
            raise UnsafePickleError(f"The file calls {function} with arguments that are no tuple.")
        self.limits.spend(len(arguments) + sum(len(a) for a in arguments if isinstance(a, _COPIED)))
        for argument in arguments:
            if type(argument) is Unknown:
                return Unknown(argument.name)
        return stand_in(*arguments)


def plain_name(value: Any) -> str:
    """A text that serves as a name or a key: short and printable, so that messages may repeat it.

    Raises:
        UnsafePickleError: for anything else.
    """
    if not isinstance(value, str) or not _is_plain(value):
        raise UnsafePickleError(f"The pickle is malformed: {shown(value)!r} serves as a name.")
    return value


def _is_plain(text: str) -> bool:
    return len(text) <= MAX_NAME and text.isprintable()


def _is_key(value: Any) -> bool:
    """Whether a value, no container, is a key or a part of one."""
    if isinstance(value, str):
        return _is_plain(value)
    return isinstance(value, int | float | bytes | None | Name)


_COPIED = (list, tuple, dict, set, frozenset)
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = (
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
)
_PUSH_ARGUMENT = frozenset([*_NUMBERS, *_TEXTS, *_BINARY])
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, type] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_CONTAINERS = frozenset([*_EMPTY, "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "DICT", "FROZENSET"])
_ADDITIONS = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS")
_GLOBALS = ("GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
_CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST")
