"""`compare`: what `ganzoo compare` does, from names to a page.

from ganzoo.compare import Settings, compare

compare(["teacher", "runs/first"], Settings(seeds=tuple(range(8))), out="page.html")
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ganzoo.compare.measure import Comparison, Settings, check_counts, measure, subject
from ganzoo.compare.page import write_page
from ganzoo.compare.records import groups
from ganzoo.features.networks import INCEPTION, load_features
from ganzoo.latent.saved import load_w
from ganzoo.metrics.record import Record
from ganzoo.models.reference import Name, Reference, reference
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.paths import user_path
from ganzoo.system.provenance import command_line


def compare(
    names: Sequence[Name],
    settings: Settings,
    *,
    out: str | os.PathLike[str] | None = None,
    records: Iterable[Record] = (),
    features: str | None = None,
    runs: int = 10,
    device: str = "cpu",
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Comparison:
    """Images, differences, costs and latencies of models, and a page that shows them.

    Args:
        names: Models; the first is what the others are compared with.
        settings: Seeds or saved w, and how their images are made.
        out: HTML file for the page; None to write none.
        records: Records of `ganzoo eval` to show on the page.
        features: Feature network of the perceptual distance; None for no such distance.
        runs: Timed images of each model; 0 for no latency.
        device: Device to compute on.
        cache_dir: Folder for weights and features.
        report: Function that is told what is being done, how much is done, and how much there is.

    Raises:
        ValueError: for an unknown name, a number of models or seeds that no page has room for, a label that
            a model lacks, or features without maps.
        OSError: if weights cannot be had, or the page cannot be written.
    """
    page = None if out is None else _page(user_path(out))
    known = {name: reference(name, cache_dir) for name in names}  # the same name is asked for once
    models = [known[name] for name in names]
    _refuse_impossible(models, settings, features)
    report("Opening", 0, 0)
    network = None if features is None else load_features(features, cache_dir=cache_dir).to(device)
    subjects = [subject(model.name, model.load().to(device)) for model in models]
    if settings.w is not None:
        file, other = settings.w, settings.other_mapping
        subjects = [replace(s, saved=load_w(file, s.generator, other_mapping=other)) for s in subjects]
        count = min(len(s.saved.w) for s in subjects if s.saved is not None)
        settings = replace(settings, seeds=tuple(range(count)))
    found = measure(subjects, settings, network=network, runs=runs, report=report)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_page(page, found, groups=groups(records), command=command_line())
    return found


def _page(path: Path) -> Path:
    """The path of a page, if one can be written there."""
    if path.suffix.lower() != ".html" or path.is_dir():
        raise ValueError(f"--out is the page, a file such as compare.html; got {str(path)!r}.")
    refuse_unwritable(path.absolute().parent, "--out")
    return path.absolute()


def _refuse_impossible(models: Sequence[Reference], settings: Settings, features: str | None) -> None:
    """Raise what is cheap to tell before anything large is downloaded or computed."""
    check_counts(len(models), len(settings.seeds) if settings.w is None else 1)
    configs = [model.config() for model in models]
    for model, config in zip(models, configs, strict=True):
        settings.check_label(config, model.name)
    if settings.label is not None and not any(config.label_dim for config in configs):
        raise ValueError("--label: none of these models is conditional.")
    if features == INCEPTION:  # its feature maps are out of reach
        raise ValueError("--features inception measures sets of images; pairs take efficientnet_lite0.")
