"""Settings of runs as help pages show them: each as it is typed, and its comment in its YAML file."""

import re
from collections.abc import Iterator
from typing import Any

_KEY = re.compile(r"^( *)(\w+):")
_COMMENT = re.compile(r" # (.*)$")


def setting_lines(name: str) -> Iterator[str]:
    """A line for every setting of `recipes/training/NAME.yaml`."""
    from omegaconf import OmegaConf

    from ganzoo.system.paths import DATA  # without ganzoo.models.recipes, which waits for torch

    path = DATA / "recipes" / "training" / f"{name}.yaml"
    shipped = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(shipped, dict)
    comments: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _KEY.match(line):
            depth = len(match[1])
            above = [(d, key) for d, key in above if d < depth] + [(depth, match[2])]
            if comment := _COMMENT.search(line):
                comments[".".join(key for _, key in above)] = comment[1]
    settings = {key: value for key, value in shipped.items() if key not in ("defaults", "task")}
    yield from (f"  {setting:<38} {comment}".rstrip() for setting, comment in _flat(settings, comments))


def preset_names(task: str = "distillation") -> list[str]:
    """Names of a task's presets: its own settings, and those that build on them."""
    from omegaconf import OmegaConf

    from ganzoo.system.paths import DATA

    found = {}
    for file in sorted((DATA / "recipes" / "training").glob("*.yaml")):
        data: Any = OmegaConf.to_container(OmegaConf.load(file))
        found[file.stem] = data.get("defaults", [])
    return [name for name, above in found.items() if name == task or task in above]


def _flat(data: dict[Any, Any], comments: dict[str, str], above: str = "") -> Iterator[tuple[str, str]]:
    """Settings as they are typed, and their comments; one of several settings stands on a line of its own."""
    for name, value in data.items():
        key = f"{above}{name}"
        comment = comments.get(key, "")
        if not isinstance(value, dict):
            yield f"{key}={_typed(value)}", comment
            continue
        within = list(_flat(value, comments, f"{key}."))
        if len(within) == 1:
            within = [(within[0][0], comment)]
        elif comment:
            yield f"{key}.…", comment
        yield from within


def _typed(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "" if value == "???" else f"{value}"
