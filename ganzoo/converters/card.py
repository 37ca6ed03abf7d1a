"""The first draft of a model card for a converted network: where it comes from and what was done to it."""

from collections import Counter
from collections.abc import Iterable

from ganzoo.converters.conversion import ANOTHER, Conversion
from ganzoo.generators.generator import Generator
from ganzoo.hub.signature import signed
from ganzoo.system.version import __version__

CARD_FILE = "README.md"
UNKNOWN_LICENSE = "unknown"
_MAX_REASONS, _MAX_LISTED = 20, 1000


def card_stub(conversion: Conversion, *, title: str, license: str) -> str:
    """A card in Markdown, with the lineage filled in and the rest for its owner to write.

    Args:
        conversion: what was converted.
        title: the model's name.
        license: of the weights, an identifier as the Hub knows them, or "unknown".
    """
    config = conversion.module.config
    is_generator = isinstance(conversion.module, Generator)
    what = "generator" if is_generator else "discriminator"
    family = "mobilestylegan" if conversion.part == "student" else "stylegan2"
    title = _cell(title)
    lines = [
        "---",
        f"license: {license}",
        "library_name: ganzoo",
        f"tags: [{', '.join(['ganzoo', what, family])}]",
        "---",
        "",
        f"# {title}",
        "",
        f"A style-based {what} of {config.resolution} x {config.resolution}, by ganzoo {__version__}.",
        "",
        "```python",
        "import ganzoo",
        "",
        f"{'G' if is_generator else 'D'} = ganzoo.load({title!r})",
        "```",
        "",
        "## Lineage",
        "",
        f"Format: {conversion.format}; network: {conversion.part}.{_places(conversion)}",
        "",
        "| file | bytes | sha256 |",
        "|---|---|---|",
        *(f"| {_cell(f.name)} | {f.bytes} | `{f.sha256}` |" for f in conversion.files),
        "",
        f"License of the weights: {license}."
        + (" Say what it is before you pass them on." if license == UNKNOWN_LICENSE else ""),
        "",
        "## What the conversion did",
        "",
        *(f"* {_cell(line)}" for line in account(conversion)),
        "",
        "<details><summary>Tensors of the network that were dropped or made</summary>",
        "",
        *(f"* {_cell(name)}: {_cell(why)}" for name, why in _without_use(conversion)),
        "",
        "</details>",
        "",
        "## Data, intended use, known faults",
        "",
        "Not written yet.",
        "",
    ]
    return signed("\n".join(lines))


def account(conversion: Conversion) -> list[str]:
    """What became of the source's tensors, a line each."""
    lines = [f"{_tensors(len(conversion.used))} of the source used"]
    lines += [f"{_tensors(n)} dropped: {reason}" for reason, n in _by_reason(conversion.dropped.values())]
    lines += [f"{_tensors(n)} made: {reason}" for reason, n in _by_reason(conversion.made.values())]
    if conversion.assumed:
        values = ", ".join(f"{name} {value}" for name, value in conversion.assumed.items())
        lines.append(f"assumed, for the source does not record it: {values}")
    return lines


def others(conversion: Conversion) -> str:
    """The other networks of the source, each with its place."""
    listed = [f"{part} ({key})" if key else part for part, key in conversion.others[:_MAX_REASONS]]
    more = len(conversion.others) - len(listed)
    return ", ".join([*listed, *([f"{more} more"] if more else [])])


def _places(conversion: Conversion) -> str:
    """Where in the source the network lies and which others are there, as sentences."""
    place = f" Place in the file: {_cell(conversion.key)}." if conversion.key else ""
    return place + (f" Also there: {_cell(there)}." if (there := others(conversion)) else "")


def _without_use(conversion: Conversion) -> list[tuple[str, str]]:
    """Names of the source's tensors that were not used, and of ours that it lacks, each with the reason."""
    listed = [*conversion.dropped.items(), *conversion.made.items()]
    listed = [(name, why) for name, why in listed if not why.startswith(ANOTHER)]
    more = len(listed) - _MAX_LISTED
    return [*listed[:_MAX_LISTED], *([("…", f"{more} more")] if more > 0 else [])]


def _by_reason(reasons: Iterable[str]) -> list[tuple[str, int]]:
    counted = Counter(reasons).most_common()
    rest = sum(count for _, count in counted[_MAX_REASONS:])
    return counted[:_MAX_REASONS] + ([("other reasons", rest)] if rest else [])


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count} tensors"


def _cell(text: str) -> str:
    """A file's name as a table's cell, whatever it holds."""
    return "".join(c if c.isprintable() and c not in "|`<>" else "_" for c in text)
