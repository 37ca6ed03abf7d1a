"""The table, the plot and the JSON file of a measurement."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.bench.measure import Row
from ganzoo.charts.bars import Bar, bars
from ganzoo.charts.drawing import WIDTH, file
from ganzoo.charts.text import duration, si
from ganzoo.system.files import replacing

SCHEMA_VERSION = 1
JSON_FILE, TABLE_FILE, PLOT_FILE = "bench.json", "table.md", "plot.svg"
_MARGIN = 24  # pixels beside the bars


def columns(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Cells by the names of their columns; columns that nobody measured are left out."""
    found = {
        "": [row.label for row in rows],
        "resolution": [_or_none(row.resolution, str) for row in rows],
        "p50": [duration(row.p50) for row in rows],
        "p90": [duration(row.p90) for row in rows],
        "images/s": [f"{row.images_per_second:.3g}" for row in rows],
        "start-up": [_or_none(row.start_seconds, duration) for row in rows],
        "peak memory": [_or_none(row.peak_bytes, _size) for row in rows],
        "on disk": [_size(row.bytes) for row in rows],
        "parameters": [_or_none(row.parameters, si) for row in rows],
        "MACs": [_or_none(row.macs, si) for row in rows],
        "PSNR": [_or_none(row.psnr, lambda p: f"{p:.1f} dB") for row in rows],
    }
    return {name: cells for name, cells in found.items() if any(cells)}


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    shown = columns(rows)
    lines = [list(shown), ["---"] * len(shown), *map(list, zip(*shown.values(), strict=True))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def text_table(rows: Sequence[Row], width: int) -> str:
    """The same for a terminal of that width: aligned columns, or, where they have no room, a block a row."""
    shown = columns(rows)
    widths = [max(map(len, [name, *cells])) for name, cells in shown.items()]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        lines = [list(shown), *map(list, zip(*shown.values(), strict=True))]
        return "".join(f"{_aligned(cells, widths)}\n" for cells in lines)
    own = max(map(len, shown))
    blocks = []
    for i, label in enumerate(shown[""]):
        facts = [f"  {name:<{own}}  {cells[i]}" for name, cells in shown.items() if name and cells[i]]
        blocks.append("\n".join([label, *facts]) + "\n")
    return "\n".join(blocks)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left in the first column, figures to the right in the others."""
    padded = [f"{c:>{w}}" if i else f"{c:<{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()


def plot(rows: Sequence[Row], title: str) -> str:
    """An SVG file: a bar for the median of every row, a line up to the 90th percentile."""
    values = [Bar(row.label, row.p50, row.p90) for row in rows]
    return file([bars(values, width=WIDTH - 2 * _MARGIN)], title=title)


def write(out: Path, rows: Sequence[Row], record: Mapping[str, Any]) -> None:
    """Write the three files into a folder, which is made if need be; each appears whole.

    Args:
        out: Folder.
        rows: Measured rows.
        record: Command, machine and versions, for the JSON file.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = {"schema_version": SCHEMA_VERSION, **record, "rows": [row.to_dict() for row in rows]}
    texts = {
        JSON_FILE: json.dumps(data, indent=1, allow_nan=False) + "\n",
        TABLE_FILE: table(rows),
        PLOT_FILE: plot(rows, "Time of one call, from w to images"),
    }
    for name, text in texts.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text)


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 999.5e6 else f"{count / 1e6:.3g} MB"


def _or_none(value: Any, shown: Any) -> str:
    return "" if value is None else str(shown(value))
