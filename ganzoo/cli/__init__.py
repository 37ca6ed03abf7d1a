"""The command `ganzoo`. A user's mistake ends in one line on stderr and exit status 2."""

import os
import sys
import threading
from collections.abc import Callable

import typer

from ganzoo.cli.bench import bench
from ganzoo.cli.card import card
from ganzoo.cli.compare import compare
from ganzoo.cli.convert import convert
from ganzoo.cli.data import data_app
from ganzoo.cli.demo import demo
from ganzoo.cli.directions import directions
from ganzoo.cli.distill import distill
from ganzoo.cli.edit import edit
from ganzoo.cli.evaluate import evaluate
from ganzoo.cli.export import export
from ganzoo.cli.film import film
from ganzoo.cli.generate import generate
from ganzoo.cli.habits import told
from ganzoo.cli.help import settings
from ganzoo.cli.mix import mix
from ganzoo.cli.project import project
from ganzoo.cli.push import push
from ganzoo.cli.results import results
from ganzoo.cli.show import info, list_
from ganzoo.cli.swap import swap
from ganzoo.cli.train import train
from ganzoo.cli.verify import verify
from ganzoo.system.files import DISK_FULL, with_advice
from ganzoo.system.interruption import Interrupted
from ganzoo.system.paths import user_argument

app = typer.Typer(
    rich_markup_mode=None,  # pages that are whole at any width, and the same in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A pluggable model zoo for style-based GANs.",
    epilog="Example: ganzoo generate mobilestylegan_ffhq_64_lite --seeds 0-7 --out faces",
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_, "info": info, "generate": generate, "film": film, "verify": verify, "convert": convert,
    "export": export, "distill": distill, "train": train, "bench": bench, "results": results,
    "eval": evaluate, "compare": compare, "directions": directions, "edit": edit, "mix": mix, "swap": swap,
    "project": project, "demo": demo, "card": card, "push": push,
}  # fmt: skip
for name, function in _COMMANDS.items():
    app.command(name, **settings(name), add_help_option=name not in ("distill", "train"))(function)
app.add_typer(data_app, name="data", short_help=settings("data")["short_help"])


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "-V", "--version", help="Print the version and exit."),
) -> None:
    if version:
        from ganzoo import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line and exit with its status."""
    hook, threading.excepthook = threading.excepthook, _of_a_thread
    try:
        status = app([user_argument(text) for text in sys.argv[1:]], standalone_mode=False)
        if status == 130:  # how the option parser tells of Ctrl-C
            _complain("Interrupted.")
    except Interrupted as interrupt:
        _complain(str(interrupt))
        status = 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except (ValueError, OSError, ImportError) as error:
        _complain(with_advice(error))
        status = 2
    except Exception as error:
        if isinstance(error, typer.Abort):  # the same, in other versions of the parser
            _complain("Interrupted.")
            status = 130
        elif hasattr(error, "format_message"):  # the option parser's own complaints
            _complain(told(error))
            status = 2
        else:
            raise
    finally:
        threading.excepthook = hook
    sys.exit(status)


def _of_a_thread(found: threading.ExceptHookArgs) -> None:
    """Keep silent on a full disk, which TensorBoard's thread meets: this thread meets it, too, and tells."""
    if not (isinstance(found.exc_value, OSError) and found.exc_value.errno in DISK_FULL):
        threading.__excepthook__(found)


def _complain(message: str) -> None:
    print(f"ganzoo: {' '.join(message.split())}", file=sys.stderr)
