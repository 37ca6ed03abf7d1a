"""Any folder or zip of images to the zip that StyleGAN's tools train from.

The zip is stored, not compressed: `00000/img00000000.png` and so on in the order of the source's names, then
`dataset.json` with the labels, and `ganzoo.json` with the settings, the hashes, the counts and what was
skipped. The same source gives the same bytes for any number of workers.

What a file is, its content tells. Skipped are images that Pillow does not read (HEIC unless pillow-heif is
installed), those that cannot be decoded, that have more than `max_pixels`, that are smaller than the
resolution, and those that show, pixel for pixel, what a former one shows. Other files are counted.

16-bit greyscale is divided by 257. Values of 12 bits come out nearly black, unless `white` is 4095 or a TIFF
itself says that it has 12; which images those are is counted, but nothing is brightened unasked: a dark image
may be meant so.

Work goes to the folder `OUT.partial`. A run that was stopped continues there when it is started again with
the same settings, source and versions. The zip appears when it is whole.

With several workers, a script needs the guard `if __name__ == "__main__":`, for they are fresh interpreters.
A worker takes up to 16 bytes for each pixel of the image at hand.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import PIL

from ganzoo.data.conversion import CONVERTED, SKIPPED, Converter, Settings
from ganzoo.data.decoding import MAX_PIXELS, WHITE
from ganzoo.data.formats import plugins
from ganzoo.data.labelled import Labelled, labels_of
from ganzoo.data.labels import LABELS_FILE, RECORD_FILE, Label
from ganzoo.data.partial import Entry, PartialZip, member_name
from ganzoo.data.reading import ImageSet, set_digest
from ganzoo.data.resize import RESIZER
from ganzoo.data.workers import ordered_map, usable_cores
from ganzoo.system.paths import user_path
from ganzoo.system.version import __version__


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `prepare` did.

    Attributes:
        out: Path of the zip.
        counts: Numbers of images written, of those converted by `CONVERTED`, and of those skipped by
            `SKIPPED`.
        skipped: Name in the source, one of `SKIPPED`, and the reason.
        dataset_sha256: Value of `ImageSet(out).sha256`.
        source_sha256: Value of `ImageSet(src).sha256`; None if a file could not be read at all.
        not_images: Files of the source that are no images, hidden files and folders among them.
        labels: Origin of the labels, or the reason why there are none.
        classes: Names of the classes in the order of their numbers: folders, or what a former `prepare`
            recorded; empty if they have none.
        class_counts: Images written of each class, by its number; empty for vectors, or without labels.
        brightest: Largest value of all 16-bit greyscale images that were written; None if there are none.
        resumed: Number of the source's images that former runs did.
    """

    out: Path
    counts: dict[str, int]
    skipped: tuple[tuple[str, str, str], ...]
    dataset_sha256: str
    source_sha256: str | None
    not_images: tuple[str, ...]
    labels: str
    classes: tuple[str, ...]
    class_counts: dict[int, int]
    brightest: int | None
    resumed: int


def prepare(
    src: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    resolution: int,
    crop: str = "center",
    channels: int = 3,
    labels: str = "keep",
    upscale: bool = False,
    max_pixels: int = MAX_PIXELS,
    white: int = WHITE,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write a zip of square PNGs in the layout of StyleGAN, and say what was found on the way.

    Args:
        src: Folder or zip of images.
        out: Path of the zip to write; its name ends in .zip.
        resolution: Side of the images, a power of two from 4 to 2048.
        crop: "center" for the square in the middle; "none" to squeeze the whole image into the square.
        channels: 3 for RGB, 1 for greyscale, 4 for RGB and alpha; without it, what is transparent is laid on
            white.
        labels: "keep" those of the source's `dataset.json`, if it has any; "folders" for a class to each
            folder, by name, below the one that holds all images; "none".
        upscale: Whether to enlarge images that are too small, instead of skipping them.
        max_pixels: Largest width times height of an image, before it is decoded.
        white: Value of 16-bit greyscale that becomes white, such as 4095 for 12 bits.
        workers: Processes that work at once; None for as many as there are cores.
        overwrite: Whether to replace `out`, and to begin anew if its folder holds an unfinished run with
            other settings.
        progress: Function that is told images done and images in all, first before the work begins.

    Raises:
        ValueError: for a setting, a source or labels that cannot be used; if no image is left; if `out`
            exists, or its folder holds a run that cannot be continued, without `overwrite`.
        OSError: if the disk is full or cannot be written, or a worker died. What is done is kept.
    """
    settings = Settings(
        resolution=resolution, crop=crop, channels=channels, labels=labels, upscale=upscale,
        max_pixels=max_pixels, white=white,
    )  # fmt: skip
    workers = usable_cores() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers is at least 1; got {workers!r}.")
    src, out = user_path(src), user_path(out)
    _refuse(out, overwrite)
    images = ImageSet(src, channels=channels, max_pixels=max_pixels)
    if out.exists() and out.samefile(src):
        raise ValueError(f"{out} is the source: choose another name.")
    return _written(images, out, settings, workers, overwrite, progress)


def _refuse(out: Path, overwrite: bool) -> None:
    """Raise ValueError for a zip that cannot be written, or may not."""
    if out.suffix.lower() != ".zip" or out.is_dir():
        raise ValueError(f"{out} is no name of a zip, which ends in .zip and is no folder.")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists: choose another name, or allow to replace it (--overwrite).")


def _written(
    images: ImageSet,
    out: Path,
    settings: Settings,
    workers: int,
    overwrite: bool,
    progress: Callable[[int, int], None] | None,
) -> Report:
    """Write the zip, from where an earlier run stopped."""
    labelled = labels_of(images, settings.labels)
    folder = out.with_name(f"{out.name}.partial")
    identity = {**asdict(settings), "source": images.fingerprint(), "versions": versions()}
    try:
        with PartialZip(folder, identity, restart=overwrite) as partial:
            resumed = len(partial.entries)
            _convert_all(images, settings, labelled, partial, workers, progress)
            if not partial.members:
                partial.discard()
                raise ValueError(_nothing_left(images.path, partial.entries))
            report = _report(out, images, partial.entries, labelled, resumed)
            partial.finish(
                out,
                {
                    LABELS_FILE: _labels_text(partial.entries, labelled.values),
                    RECORD_FILE: _record_text(settings, report),
                },
            )
    except OSError as error:
        kept = " What is done is kept: the same command goes on from there." if folder.is_dir() else ""
        raise OSError(f"{folder}: {error.strerror or error}.{kept}") from error
    return report


def versions() -> dict[str, str]:
    """What decides the bytes of a zip beside settings and source."""
    return {"ganzoo": __version__, "pillow": PIL.__version__, "numpy": np.__version__, **plugins()}


def _convert_all(
    images: ImageSet,
    settings: Settings,
    labelled: Labelled,
    partial: PartialZip,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Bring the partial zip from where it stands to the end of the source."""
    total = len(images)
    seen = {entry.pixels: i for i, entry in enumerate(partial.entries) if entry.member is not None}
    start = len(partial.entries)
    if progress is not None:
        progress(start, total)
    converter = Converter(images, settings)
    with closing(ordered_map(converter, range(start, total), workers=workers)) as results:
        for index, (entry, png) in enumerate(results, start=start):
            if png is not None and entry.pixels in seen:
                first = seen[entry.pixels]
                kind, reason = "duplicate", f"it shows the same as {images.names[first]}"
                if labelled.values is not None and labelled.values[first] != labelled.values[index]:
                    kind = "duplicate, other label"
                    reason += f", which has the label {labelled.told(first)}, not {labelled.told(index)}"
                entry, png = replace(entry, skipped=kind, reason=reason), None
            elif png is not None:
                seen[entry.pixels] = index
            partial.append(entry, png)
            if progress is not None:
                progress(index + 1, total)


def _labels_text(entries: Sequence[Entry], labels: Sequence[Label] | None) -> str:
    if labels is None:
        return json.dumps({"labels": None})
    kept = [label for entry, label in zip(entries, labels, strict=True) if entry.member is not None]
    return json.dumps({"labels": [[member_name(i), label] for i, label in enumerate(kept)]})


def _report(
    out: Path, images: ImageSet, entries: Sequence[Entry], labelled: Labelled, resumed: int
) -> Report:
    written = [entry.member for entry in entries if entry.member is not None]
    found = Counter(entry.skipped for entry in entries)
    found.update(oddity for entry in entries if entry.member is not None for oddity in entry.oddities)
    sources = [(entry.sha256, entry.name) for entry in entries if entry.sha256 is not None]
    values = labelled.values or ()
    kept = Counter(
        label for entry, label in zip(entries, values, strict=False)
        if entry.member is not None and isinstance(label, int)
    )  # fmt: skip
    numbers = sorted({*kept, *range(len(labelled.classes))} if values else ())
    bright = [e.brightest for e in entries if e.member is not None and e.brightest is not None]
    return Report(
        out=out,
        counts={"written": len(written), **{kind: found[kind] for kind in (*CONVERTED, *SKIPPED)}},
        skipped=tuple((e.name, e.skipped, e.reason or "") for e in entries if e.skipped is not None),
        dataset_sha256=set_digest((facts["sha256"], member_name(i)) for i, facts in enumerate(written)),
        source_sha256=set_digest(sources) if len(sources) == len(entries) else None,
        not_images=tuple(o for o in images.others if o.rsplit("/", 1)[-1] != RECORD_FILE),
        labels=labelled.origin,
        classes=labelled.classes,
        class_counts={number: kept[number] for number in numbers},
        brightest=max(bright, default=None),
        resumed=resumed,
    )


def _record_text(settings: Settings, report: Report) -> str:
    """All that is needed to make the set again; no date and no place, so that it comes out the same."""
    record = {
        "settings": asdict(settings),
        "resizer": RESIZER,
        "versions": versions(),
        "source_sha256": report.source_sha256,
        "dataset_sha256": report.dataset_sha256,
        "counts": report.counts,
        "labels": report.labels,
        "classes": report.classes,
        "class_counts": report.class_counts,
        "skipped": report.skipped,
        "not_images": report.not_images,
    }
    return json.dumps(record, indent=1)


def _nothing_left(src: Path, entries: Sequence[Entry]) -> str:
    kinds = Counter(entry.skipped for entry in entries)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    first = f"{entries[0].name}: {entries[0].reason}"
    return f"None of the {len(entries)} images of {src} can be used: {counts}. The first, {first}."
