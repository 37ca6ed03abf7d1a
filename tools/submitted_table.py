"""Writes the table of registry/submitted into docs/benchmarks.md: python tools/submitted_table.py."""

from pathlib import Path

from ganzoo.bench.submissions import submitted, table

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
START, END = "<!-- submitted -->\n", "<!-- /submitted -->"

before, _, rest = PAGE.read_text().partition(START)
_, _, after = rest.partition(END)
PAGE.write_text(f"{before}{START}{table(submitted())}{END}{after}")
