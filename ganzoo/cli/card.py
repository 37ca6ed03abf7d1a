"""`ganzoo card`: the card of a published model, or of a folder, with its figures."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ganzoo.metrics.record import Record

_SEEDS, _PSI = range(24), 0.7


def card(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, or the folder of a saved one.")],
    out: Annotated[
        Path | None, typer.Option(help="Write README.md into this folder; by default it is printed.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="Add the records of a file that `ganzoo eval --out` wrote.")
    ] = None,
    license: Annotated[
        str | None, typer.Option("--license", help="License of the weights, as the Hub spells it.")
    ] = None,
    lineage: Annotated[
        str | None, typer.Option(help="For a new card: what the weights were made from, by whom.")
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="With --out, of a folder: a sheet of 24 images.")
    ] = False,
) -> None:
    """Render a model's card: lineage, licenses, cost, figures with their protocols."""
    import shutil

    from ganzoo.hub.card import CARDS, folder_card, published_card
    from ganzoo.hub.readme import card_text, images_of
    from ganzoo.hub.signature import is_untouched
    from ganzoo.models.factory import folder_of, list_models, resolve
    from ganzoo.models.hub_pull import CARD_FILE
    from ganzoo.system.files import replacing

    if samples and out is None:
        raise ValueError("--samples writes a file: give --out, the model's folder.")
    published = resolve(name) in list_models()
    if published:
        if records is not None or license is not None or lineage is not None or samples:
            raise ValueError(f"The card of {name} comes from the registry: leave out the other options.")
        text = published_card(name)
    else:
        folder = folder_of(name)
        if out is not None and out == Path(name.removeprefix("dir:")):
            out = folder  # of a run, its student
        found = _own(folder, records) if records is not None else []
        caption = f"Seeds {_SEEDS[0]} to {_SEEDS[-1]}, truncation psi {_PSI}, constant noise."
        text = folder_card(
            folder, license=license, lineage=lineage, records=found, sheet=caption if samples else None
        )
        if samples and out is not None:
            _write_samples(folder, out)
    if out is None:
        typer.echo(text, nl=False)
        return
    readme = out / CARD_FILE
    if published and readme.is_file() and not is_untouched(card_text(readme)):
        raise ValueError(f"{readme} was edited by hand: choose another folder, or delete it.")
    out.mkdir(parents=True, exist_ok=True)
    if published:
        for image in images_of(text, CARDS):
            shutil.copyfile(CARDS / image, out / image)
    with replacing(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")
    typer.echo(f"The card is {readme}.")


def _own(folder: Path, path: Path) -> "list[Record]":
    """Records of a file that were measured on a folder's weights; stderr tells of the others."""
    from ganzoo.hub.card import told_apart
    from ganzoo.metrics.record import read_records

    own, others = told_apart(folder, read_records(path))
    names = ", ".join(dict.fromkeys(str(record.fake.get("name")) for record in others))
    if not own:
        raise ValueError(
            f"{path} holds no record of the weights in {folder}, but of {names}. To measure them: ganzoo "
            f"eval {shlex.quote(str(folder))} --real IMAGES --out {shlex.quote(str(path))}."
        )
    if others:
        total = len(own) + len(others)
        typer.echo(
            f"Note: {len(others)} of {total} records in {path} are of other weights ({names}) and left out.",
            err=True,
        )
    return own


def _write_samples(folder: Path, out: Path) -> None:
    """A sheet of images of the folder's model, as a JPEG."""
    import torch

    from ganzoo.generators.deploy import deploy
    from ganzoo.hub.card import SHEET_FILE
    from ganzoo.models.factory import create
    from ganzoo.system.files import replacing
    from ganzoo.system.images import check_channels, contact_sheet, tile_side, to_images

    generator = deploy(create(f"dir:{folder}"))
    check_channels(generator.img_channels, str(folder))
    side = tile_side(len(_SEEDS), generator.resolution)
    label = torch.eye(1, generator.label_dim) if generator.label_dim else None
    with torch.inference_mode():
        tiles = [
            to_images(generator(generator.sample_z(1, seed), label, _PSI))[0].resize((side, side))
            for seed in _SEEDS
        ]
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / SHEET_FILE) as temporary:
        contact_sheet(tiles).save(temporary, format="JPEG", quality=90)
