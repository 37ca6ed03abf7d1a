"""What every architecture can do, as a table: `python tests/matrix.py` writes it into docs/architectures.md.

Each cell is tried by `tests/hub/test_matrix.py`. A cell that is no "yes" holds the reason, which the test
finds in the error that users get, or what makes it one.
"""

import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "architectures.md"
BEGIN, END = "<!-- matrix: written by python tests/matrix.py -->", "<!-- end of the matrix -->"
SMALL = {"resolution": 16, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8}
CLASSES = {"resolution": 16, "channels": [8, 8, 8], "label_dim": 3, "z_dim": 6}
RECIPES = {  # a small network of each
    "stylegan": SMALL,
    "stylegan2": SMALL,
    "mobilestylegan": SMALL,
    "stylegan3_t": {**SMALL, "num_layers": 3, "margin_size": 2},
    "stylegan3_r": {**SMALL, "num_layers": 3, "margin_size": 2},
    "biggan": {**CLASSES, "attention": [1]},
    "biggan_deep": {**CLASSES, "attention": [2], "rgb_channels": 4},
}
FEATURES = (
    "create", "save and load", "info", "generate", "mix", "film", "deploy", "ONNX", "OpenVINO", "compare",
    "eval", "Hub", "train", "teach", "learn",
)  # fmt: skip
REASONS: dict[tuple[str, str], str] = {}  # why not, by recipe and feature
WITH = {  # the setting that it takes
    ("biggan", "teach"): "inherit_mapping=false z_dim=6",  # a mapping of its own, latents as wide
}


def table() -> str:
    """The matrix in Markdown, and the reasons below it."""
    told = {**REASONS, **{cell: f"With `{setting}`." for cell, setting in WITH.items()}}
    notes = list(dict.fromkeys(told.values()))
    lines = [f"| | {' | '.join(f'`{recipe}`' for recipe in RECIPES)} |", "|---" * (len(RECIPES) + 1) + "|"]
    for feature in FEATURES:
        cells = ["no" if (recipe, feature) in REASONS else "yes" for recipe in RECIPES]
        found = [told.get((recipe, feature)) for recipe in RECIPES]
        marks = ["" if note is None else f" ({1 + notes.index(note)})" for note in found]
        lines.append(f"| {feature} | {' | '.join(map(str.__add__, cells, marks))} |")
    return "\n".join([*lines, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]).strip()


def with_table(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
    sys.exit()
