"""Any folder or zip of pictures to the zip that StyleGAN's tools train from."""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import PIL

from ganzoo._version import __version__
from ganzoo.data.conversion import CONVERTED, SKIPPED, Converter, Settings
from ganzoo.data.decoding import MAX_PIXELS
from ganzoo.data.partial import Entry, PartialZip, member_name
from ganzoo.data.reading import LABELS_FILE, Label, PictureSet, set_digest
from ganzoo.data.resize import RESIZER
from ganzoo.data.workers import ordered_map, usable_cores

RECORD_FILE = "ganzoo.json"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `prepare` did.

    Attributes:
        out: the zip.
        counts: pictures written; how many of them are of each of `CONVERTED`; and skipped, by `SKIPPED`.
        skipped: name in the source, one of `SKIPPED`, and the reason.
        dataset_sha256: what `PictureSet(out).sha256` is.
        source_sha256: what `PictureSet(src).sha256` is; None if a file could not be read at all.
        classes: the folders that became classes, in the order of their numbers; empty for other labels.
        resumed: how many pictures of the source were done by former runs.
    """

    out: Path
    counts: dict[str, int]
    skipped: tuple[tuple[str, str, str], ...]
    dataset_sha256: str
    source_sha256: str | None
    classes: tuple[str, ...]
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
    workers: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write a zip of square PNGs in the layout of StyleGAN, and say what was found on the way.

    The zip is stored, not compressed: `00000/img00000000.png` and so on in the order of the source's names,
    then `dataset.json` with the labels, and `ganzoo.json` with the settings, the hashes, the counts and what
    was skipped. The same source gives the same bytes for any number of workers.

    Skipped are pictures that cannot be decoded, that have more than `max_pixels`, that are smaller than the
    resolution, and those that show, pixel for pixel, what a former one shows.

    Work goes to the folder `OUT.partial`. A run that was stopped continues there when it is started again
    with the same settings, source and versions. The zip appears when it is whole.

    With several workers, a script needs the guard `if __name__ == "__main__":`, for they are fresh
    interpreters. A worker takes up to 16 bytes for each pixel of the picture at hand.

    Args:
        src: a folder or a zip.
        out: the zip to write; its name ends in .zip.
        resolution: of the pictures, a power of two from 4 to 2048.
        crop: "center" for the square in the middle; "none" to squeeze the whole picture into the square.
        channels: 3 for RGB, 1 for greyscale, 4 for RGB and alpha; without it, what is transparent is laid on
            white.
        labels: "keep" those of the source's `dataset.json`, if it has any; "folders" for a class to each
            folder of the first level, by name; "none".
        upscale: enlarge pictures that are too small rather than skip them.
        max_pixels: width times height of a picture at most, before it is decoded.
        workers: processes that work at once; None for as many as there are cores.
        overwrite: replace `out`, and begin anew if its folder holds an unfinished run with other settings.
        progress: called with pictures done and pictures in all, first before the work begins.

    Raises:
        ValueError: for a setting, a source or labels that cannot be used; if no picture is left; if `out`
            exists, or its folder holds a run that cannot be continued, without `overwrite`.
        OSError: if the disk is full or cannot be written, or a worker died. What is done is kept.
    """
    settings = Settings(
        resolution=resolution, crop=crop, channels=channels, labels=labels, upscale=upscale,
        max_pixels=max_pixels,
    )  # fmt: skip
    workers = usable_cores() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers is at least 1; got {workers!r}.")
    src, out = Path(src), Path(out)
    if out.suffix.lower() != ".zip" or out.is_dir():
        raise ValueError(f"{out} is no name of a zip, which ends in .zip and is no folder.")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists: choose another name, or allow to replace it (--overwrite).")
    pictures = PictureSet(src, channels=channels, max_pixels=max_pixels)
    if out.exists() and out.samefile(src):
        raise ValueError(f"{out} is the source: choose another name.")
    classes, source_labels = _labels(pictures, labels)

    folder = out.with_name(f"{out.name}.partial")
    identity = {**asdict(settings), "source": pictures.fingerprint(), "versions": versions()}
    try:
        with PartialZip(folder, identity, restart=overwrite) as partial:
            resumed = len(partial.entries)
            _convert_all(pictures, settings, partial, workers, progress)
            if not partial.members:
                partial.discard()
                raise ValueError(_nothing_left(src, partial.entries))
            report = _report(out, partial.entries, classes, resumed)
            partial.finish(
                out,
                {
                    LABELS_FILE: _labels_text(partial.entries, source_labels),
                    RECORD_FILE: _record_text(settings, report),
                },
            )
    except OSError as error:
        kept = " What is done is kept: the same command goes on from there." if folder.is_dir() else ""
        raise OSError(f"{folder}: {error.strerror or error}.{kept}") from error
    return report


def versions() -> dict[str, str]:
    """What decides the bytes of a zip beside settings and source."""
    return {"ganzoo": __version__, "pillow": PIL.__version__, "numpy": np.__version__}


def _convert_all(
    pictures: PictureSet,
    settings: Settings,
    partial: PartialZip,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Bring the partial zip from where it stands to the end of the source."""
    total = len(pictures)
    seen = {entry.pixels: entry.name for entry in partial.entries if entry.member is not None}
    start = len(partial.entries)
    if progress is not None:
        progress(start, total)
    converter = Converter(pictures, settings)
    with closing(ordered_map(converter, range(start, total), workers=workers)) as results:
        for done, (entry, png) in enumerate(results, start=start + 1):
            if png is not None and entry.pixels in seen:
                reason = f"it shows the same as {seen[entry.pixels]}"
                entry, png = replace(entry, skipped="duplicate", reason=reason), None
            elif png is not None:
                seen[entry.pixels] = entry.name
            partial.append(entry, png)
            if progress is not None:
                progress(done, total)


def _labels(pictures: PictureSet, how: str) -> tuple[tuple[str, ...], Sequence[Label] | None]:
    """Names of the classes if they are folders, and a label for each picture of the source."""
    if how == "none":
        return (), None
    if how == "keep":
        return (), pictures.labels
    outside = [name for name in pictures.names if "/" not in name]
    if outside:
        raise ValueError(f"{pictures.path}: {outside[0]!r} lies in no folder that could be its class.")
    folders = [name.split("/", 1)[0] for name in pictures.names]
    classes = tuple(sorted(set(folders)))
    return classes, [classes.index(folder) for folder in folders]


def _labels_text(entries: Sequence[Entry], labels: Sequence[Label] | None) -> str:
    if labels is None:
        return json.dumps({"labels": None})
    kept = [label for entry, label in zip(entries, labels, strict=True) if entry.member is not None]
    return json.dumps({"labels": [[member_name(i), label] for i, label in enumerate(kept)]})


def _report(out: Path, entries: Sequence[Entry], classes: tuple[str, ...], resumed: int) -> Report:
    written = [entry.member for entry in entries if entry.member is not None]
    found = Counter(entry.skipped for entry in entries)
    found.update(oddity for entry in entries if entry.member is not None for oddity in entry.oddities)
    sources = [(entry.sha256, entry.name) for entry in entries if entry.sha256 is not None]
    return Report(
        out=out,
        counts={"written": len(written), **{kind: found[kind] for kind in (*CONVERTED, *SKIPPED)}},
        skipped=tuple((e.name, e.skipped, e.reason or "") for e in entries if e.skipped is not None),
        dataset_sha256=set_digest((facts["sha256"], member_name(i)) for i, facts in enumerate(written)),
        source_sha256=set_digest(sources) if len(sources) == len(entries) else None,
        classes=classes,
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
        "classes": report.classes,
        "skipped": report.skipped,
    }
    return json.dumps(record, indent=1)


def _nothing_left(src: Path, entries: Sequence[Entry]) -> str:
    kinds = Counter(entry.skipped for entry in entries)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    first = f"{entries[0].name}: {entries[0].reason}"
    return f"None of the {len(entries)} pictures of {src} can be used: {counts}. The first, {first}."
