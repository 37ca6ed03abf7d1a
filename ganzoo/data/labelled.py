"""Which label each image of a set has: that of its `dataset.json`, its folder, or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.data.labels import LABELS_FILE, Label, folder_classes
from ganzoo.data.reading import ImageSet


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Labels of a set.

    Attributes:
        origin: Where they come from, or why there are none.
        classes: Names of the classes, in the order of their numbers; empty if they have none.
        values: A label for each image, or None.
    """

    origin: str
    classes: tuple[str, ...] = ()
    values: Sequence[Label] | None = None

    def told(self, index: int) -> str:
        """The label of an image, for people."""
        assert self.values is not None
        value = self.values[index]
        named = isinstance(value, int) and value < len(self.classes)
        return f"{value} ({self.classes[value]})" if named else f"{value}"  # type: ignore[index]


def labels_of(images: ImageSet, how: str) -> Labelled:
    """What labels the images of a set have.

    Args:
        images: Set.
        how: "keep" those of its `dataset.json`, if it has any; "folders" for a class to each folder; "none".

    Raises:
        ValueError: if they cannot be read, or do not label all images.
    """
    if how == "none":
        return Labelled(origin="none, as asked")
    if how == "folders":
        classes, values = folder_classes(images.names, str(images.path))
        return Labelled(origin="folders", classes=classes, values=values)
    source, kept = images.labels_file, images.labels
    if kept is None:
        return Labelled(origin=f"none: {source} says so" if source else f"none: there is no {LABELS_FILE}")
    return Labelled(origin=f"of {source}", classes=images.class_names, values=kept)
