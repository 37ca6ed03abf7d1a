"""Comparisons of tiny networks, and what a browser's parser sees in a page."""

from html.parser import HTMLParser

from helpers import tiny, trained

from ganzoo.compare.measure import Settings, measure, subject
from ganzoo.compare.page import render
from ganzoo.metrics.record import Record

VOID = {"img", "meta", "br"}


def subjects(*configs, names="ABCDEFGH"):
    """Subjects with random weights, those of equal configs with different ones."""
    named = zip(names[: len(configs)], configs, strict=True)
    return [subject(name, trained(config, seed)) for seed, (name, config) in enumerate(named)]


def comparison(*configs, seeds=(0, 1), runs=2, **settings):
    configs = configs or (tiny(), tiny("wavelet"))
    return measure(subjects(*configs), Settings(tuple(seeds), **settings), runs=runs)


def page(found=None, **arguments):
    return Page(render(found or comparison(), command="ganzoo compare A B", **arguments))


def record(metric="fd_x", value=1.0, *, sha256="0" * 64, **fields):
    return Record(
        **{
            "metric": metric,
            "value": value,
            "uncertainty": 0.1,
            "num_fake": 100,
            "num_real": 100,
            "features": {"name": "x", "sha256": "f" * 64},
            "resizer": "r",
            "sampling": {"truncation_psi": 1.0, "noise": "const"},
            "fake": {"name": "a model", "sha256": sha256},
            "real": {"kind": "files", "sha256": "e" * 64},
            "seconds": 1.0,
            "command": "ganzoo eval",
            "date": "2026-01-02T03:04:05+00:00",
            "hardware": "one core",
            "versions": {"torch": "2"},
            **fields,
        }
    )


class Page(HTMLParser):
    """Elements with their attributes, text, and whether every element is closed in order."""

    def __init__(self, html):
        super().__init__()
        self.html, self.elements, self.text = html, [], ""
        self.open = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
