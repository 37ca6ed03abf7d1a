"""Labels of a set of images: those of its `dataset.json`, or its folders as classes."""

import json
from collections.abc import Sequence

LABELS_FILE = "dataset.json"
RECORD_FILE = "ganzoo.json"
MAX_LABELS_BYTES = 2**28  # a million labels of one number take 40 MB

Label = int | list[float]


def common_folder(names: Sequence[str]) -> str:
    """The deepest folder that holds all names, with a slash at its end; empty if that is the top."""
    first, last = min(names).split("/")[:-1], max(names).split("/")[:-1]
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return "".join(f"{part}/" for part in first[:shared])


def folder_classes(names: Sequence[str], where: str) -> tuple[tuple[str, ...], list[Label]]:
    """Names of the classes, and a class for each image: the folders below the one that holds all.

    Where all images lie in one folder, that is the only class.

    Args:
        names: Images, by their paths in the set.
        where: Name of the set for messages.

    Raises:
        ValueError: for an image that lies beside the folders.
    """
    top = common_folder(names)
    outside = [name for name in names if "/" not in name.removeprefix(top)]
    if len(outside) == len(names) and top:
        top = top[: top[:-1].rfind("/") + 1]
    elif outside:
        raise ValueError(f"{where}: {outside[0]!r} lies in no folder that could be its class.")
    folders = [name.removeprefix(top).split("/", 1)[0] for name in names]
    classes = tuple(sorted(set(folders)))
    numbers = {folder: number for number, folder in enumerate(classes)}
    return classes, [numbers[folder] for folder in folders]


def labels_file(found: Sequence[str], names: Sequence[str], where: str) -> str | None:
    """The `dataset.json` that speaks of all images, or None if there is none.

    Args:
        found: Paths of all files of that name in the set.
        names: Images, by their paths in the set.
        where: Name of the set for messages.

    Raises:
        ValueError: if several do, or each of a part of the images only.
    """
    top = common_folder(names)
    whole = [name for name in found if top.startswith(name.removesuffix(LABELS_FILE))]
    if len(whole) > 1:
        raise ValueError(f"{where} holds {' and '.join(whole)}: which one counts? Remove the other.")
    if found and not whole:
        raise ValueError(
            f"{where} holds {', '.join(map(repr, found[:3]))}, which cannot label images of other folders: "
            "prepare each folder by itself, or choose --labels folders or --labels none."
        )
    return whole[0] if whole else None


def parse_labels(text: bytes, names: Sequence[str], *, folder: str, where: str) -> list[Label] | None:
    """A label for each image, in the order of the names, or None if the file says none.

    Args:
        text: `{"labels": [[name, int or list], …] or null}`, as StyleGAN's tools write it.
        names: Images, by their paths in the set.
        folder: Folder of the file, from which the names in it start.
        where: Name of the file for messages.

    Raises:
        ValueError: if it is something else, an image has no label, or two.
    """
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("labels", 0), list | None):
            raise ValueError('it is no {"labels": [[name, label], …]} of StyleGAN, nor null there')
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: {error}.") from error
    if data["labels"] is None:
        return None
    by_name: dict[str, Label] = {}
    try:
        for name, label in data["labels"]:
            if by_name.setdefault(f"{folder}{name}", label) != label:
                raise _TwoLabels(
                    f"{where} has two labels for {name!r}: {by_name[f'{folder}{name}']} and {label}. "
                    "Which one counts? Remove the other."
                )
    except _TwoLabels:
        raise
    except (TypeError, ValueError):
        raise ValueError(f"{where}: labels is a list of [name, label], or null.") from None
    missing = [name for name in names if name not in by_name]
    if missing:
        raise ValueError(f"{where} has no label for {len(missing)} images, such as {missing[0]!r}.")
    labels = [by_name[name] for name in names]
    kinds = {_kind(label) for label in labels}
    if len(kinds) > 1 or None in kinds:
        raise ValueError(f"{where}: labels are all whole numbers from 0, or all lists of one length.")
    return labels


class _TwoLabels(ValueError):
    """An image has two labels."""


def _kind(label: object) -> int | None:
    """-1 for a class, the length of a vector, None for what is neither."""
    if isinstance(label, int) and not isinstance(label, bool) and label >= 0:
        return -1
    numbers = isinstance(label, list) and all(type(value) in (int, float) for value in label)
    return len(label) if numbers and label else None  # type: ignore[arg-type]
