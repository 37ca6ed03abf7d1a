"""`serving`: a demo's page, served from this machine while a block lasts."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio

HOST = "127.0.0.1"  # this machine alone
MOST_PORT = 2**16 - 1


@contextmanager
def serving(
    page: "gradio.Blocks", host: str = HOST, port: int | None = None, *, in_browser: bool = False
) -> Iterator[str]:
    """A block in which a page is served; its address.

    Args:
        page: Page of `ganzoo.demo.app`.
        host: Address to listen at; 0.0.0.0 for whoever can reach this machine.
        port: Port (default: the first free one from 7860 on).
        in_browser: Whether to open the page in a browser.

    Raises:
        OSError: if there is no such address on this machine, or the port is taken.
    """
    check_address(host, port)
    try:
        page.launch(
            server_name=host, server_port=port, inbrowser=in_browser, share=False, quiet=True,
            prevent_thread_lock=True,
        )  # fmt: skip
        yield str(page.local_url)
    finally:
        with suppress(KeyboardInterrupt):  # a second Ctrl-C, while it closes
            page.close(verbose=False)


def check_address(host: str, port: int | None) -> None:
    """Raise OSError for an address that cannot be listened at."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where = host if port is None else f"{host}, port {port}"
        raise OSError(
            f"The demo cannot listen at {where}: {error.strerror}. Choose another --port or --host."
        ) from error
