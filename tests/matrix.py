"""What every architecture can do, as a table: `python tests/matrix.py` writes it into docs/architectures.md.

Each cell is tried by `tests/hub/test_matrix.py`. A cell that is no "yes" holds the reason, which the test
finds in the error that users get.
"""

import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "architectures.md"
BEGIN, END = "<!-- matrix: written by python tests/matrix.py -->", "<!-- end of the matrix -->"
SMALL = {"resolution": 16, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8}
RECIPES = {  # a small network of each
    "stylegan": SMALL,
    "stylegan2": SMALL,
    "mobilestylegan": SMALL,
    "stylegan3_t": {**SMALL, "num_layers": 3, "margin_size": 2},
    "stylegan3_r": {**SMALL, "num_layers": 3, "margin_size": 2},
}
FEATURES = (
    "create", "save and load", "info", "generate", "mix", "film", "deploy", "ONNX", "OpenVINO", "compare",
    "eval", "Hub", "train", "teach", "learn",
)  # fmt: skip
REASONS: dict[tuple[str, str], str] = {}  # by recipe and feature


def table() -> str:
    """The matrix in Markdown, and the reasons below it."""
    reasons = list(dict.fromkeys(REASONS.values()))
    lines = [f"| | {' | '.join(f'`{recipe}`' for recipe in RECIPES)} |", "|---" * (len(RECIPES) + 1) + "|"]
    for feature in FEATURES:
        found = [REASONS.get((recipe, feature)) for recipe in RECIPES]
        cells = ["yes" if reason is None else f"no ({1 + reasons.index(reason)})" for reason in found]
        lines.append(f"| {feature} | {' | '.join(cells)} |")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", *notes]).strip()


def with_table(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
    sys.exit()
