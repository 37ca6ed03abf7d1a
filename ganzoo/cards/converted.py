"""The first draft of a card for a converted network: where it comes from and what was done to it."""

from ganzoo.cards.facts import CODE_LICENSE, Facts, render
from ganzoo.cards.readme import UNKNOWN
from ganzoo.converters.account import account, others, without_use
from ganzoo.converters.conversion import Conversion
from ganzoo.generators.generator import Generator
from ganzoo.system.version import __version__


def converted_card(conversion: Conversion, *, title: str, license: str = UNKNOWN) -> str:
    """A card with the lineage filled in and the rest for its owner to write.

    Args:
        conversion: What was converted.
        title: Name of the model.
        license: License of the weights, an identifier as the Hub knows them, or "unknown".
    """
    config = conversion.module.config
    size = config.resolution
    what = "generator" if isinstance(conversion.module, Generator) else "discriminator"
    title = _printable(title)
    lineage = f"Format: {conversion.format}; network: {conversion.part}."
    if conversion.key:
        lineage += f" Place in the file: {conversion.key}."
    if there := others(conversion):
        lineage += f" Also there: {there}."
    unsaid = ": say what it is before you pass them on" if license == UNKNOWN else ""
    return render(
        Facts(
            title=title,
            text=f"A style-based {what} of {size} x {size}, by ganzoo {__version__}.",
            config=config,
            create=f"ganzoo.load({title!r})",
            lineage=[_printable(lineage)],
            licenses={"weights": f"{license}{unsaid}", "code": CODE_LICENSE},
            metadata={"license": license},
            unwritten="Data, intended use, known faults",
        ),
        "converted.md.j2",
        files=[(_printable(file.name), file.bytes, file.sha256) for file in conversion.files],
        account=map(_printable, account(conversion)),
        tensors=map(_printable, without_use(conversion)),
    )


def _printable(text: str) -> str:
    """A name of a file, or one that a file holds, as Markdown shows it, whatever is in it."""
    return "".join(c if c.isprintable() and c not in "|`<>" else "_" for c in text)
