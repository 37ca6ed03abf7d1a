"""The tiny network as IR files, what edits them, and what refuses them."""

import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ir_fixtures import tiny_generator, write_ir

from ganzoo.converters.openvino import from_openvino

MAPPING, SYNTHESIS = "MappingNetwork.xml", "SynthesisNetwork.xml"
SECONDS = 2.0  # for one conversion of the tiny network, which takes 0.05
TINY = tiny_generator()
IR = write_ir(TINY)

Net = ET.Element
Edit = Callable[[Net], None]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail, not hang, when the block takes longer; where there are no signals, only afterwards."""

    def give_up(*_: object) -> None:
        pytest.fail(f"still running after {seconds} s")

    began = time.monotonic()
    if hasattr(signal, "setitimer"):
        before = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < seconds


def edited(file: str, edit: Edit) -> dict[str, bytes]:
    """The tiny IR with one graph changed."""
    net = ET.fromstring(IR[file])
    edit(net)
    return {**IR, file: ET.tostring(net)}


def replaced(file: str, old: bytes, new: bytes) -> dict[str, bytes]:
    """The tiny IR with the first `old` in a file replaced."""
    assert old in IR[file]
    return {**IR, file: IR[file].replace(old, new, 1)}


def layer(net: Net, name: str) -> Net:
    [found] = [x for x in net.iter("layer") if x.get("name") == name]
    return found


def of_type(net: Net, kind: str) -> list[Net]:
    return [x for x in net.iter("layer") if x.get("type") == kind]


def edge(net: Net, to: Net, port: int) -> Net:
    end = (to.get("id"), str(port))
    [found] = [e for e in net.iter("edge") if (e.get("to-layer"), e.get("to-port")) == end]
    return found


def source(net: Net, to: Net, port: int) -> Net:
    """The layer that feeds a port."""
    number = edge(net, to, port).get("from-layer")
    [found] = [x for x in net.iter("layer") if x.get("id") == number]
    return found


def consumer(net: Net, name: str) -> Net:
    """The layer that a named layer feeds."""
    number = layer(net, name).get("id")
    [found] = [e.get("to-layer") for e in net.iter("edge") if e.get("from-layer") == number]
    return next(x for x in net.iter("layer") if x.get("id") == found)


def with_data(name: str, **attributes: str) -> Edit:
    """Change the place, shape or type of a named constant."""
    return lambda net: layer(net, name).find("data").attrib.update(attributes)  # type: ignore[union-attr]


def refusal(files: dict[str, bytes]) -> str:
    """The message, one line, with which the files are refused in good time."""
    with within(SECONDS), pytest.raises(ValueError) as caught:
        from_openvino(files)
    message = str(caught.value)
    assert message.strip() and "\n" not in message
    return message
