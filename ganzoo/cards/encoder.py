"""The card of an encoder: what it learnt from, how near it comes, and what it is not for."""

from collections.abc import Mapping
from typing import Any

_CARD = """\
# {name}

An encoder: images to w of the generator `{teacher}` (weights sha256 `{sha256}`), trained by ganzoo {version}.

    from ganzoo.projection.encoder import load_encoder
    encoder = load_encoder("encoder")  # this folder
    w = encoder(images)  # [N, 3, H, H] in -1..1

It looks at images of {side} x {side} through the frozen feature network `{features}`, whose weights are
not in this folder. What it learnt, it learnt from {images} images of that generator alone: it gives the
nearest that it knows for any other image, a photograph included. It is meant as the start of a projection.

| figure | mean of {held_out} images | ± | definition |
|---|---|---|---|
{figures}

* {kimg:g} kimg in steps of {batch_size}, {hours:.2f} h on {hardware}, {date}.
* License of these weights: not stated. They are at most as free as the generator: say what it is before
  you pass them on.
"""


def encoder_card(result: Mapping[str, Any]) -> str:
    """A card in Markdown from the contents of result.json; no number in it is typed by hand."""
    settings, definitions = result["settings"], result["definitions"]
    figures = [
        f"| {name} | {figure['value']:.4g} | {figure['uncertainty']:.2g} | {definitions[name]} |"
        for name, figure in result["figures"].items()
    ]
    return _CARD.format(
        name=result["name"],
        teacher=result["teacher"],
        sha256=result["teacher_sha256"],
        version=result["versions"]["ganzoo"],
        side=settings["side"],
        features=settings["features"],
        images=settings["cache"]["images"],
        held_out=result["held_out"],
        figures="\n".join(figures),
        kimg=result["kimg"],
        batch_size=settings["batch_size"],
        hours=result["seconds"] / 3600,
        hardware=result["hardware"],
        date=result["date"],
    )
