"""Sheets of images with names at their margins."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from ganzoo.system.images import MAX_SHEET, MAX_TILE

_GAP, _TEXT = 4, 16


class Sheet:
    """A table of tiles with a name above each column and beside each row; white where there is no tile.

    Args:
        rows: Names of the rows.
        columns: Names of the columns.
        resolution: Side of the images; their tiles are smaller where the sheet would be too large.
    """

    def __init__(self, rows: Sequence[str], columns: Sequence[str], resolution: int) -> None:
        most = MAX_SHEET // max(len(rows), len(columns)) - _GAP
        self.side = max(1, min(resolution, MAX_TILE, most))
        self._font = ImageFont.load_default(_TEXT)
        self._left = _GAP + max((int(self._font.getlength(name)) for name in rows), default=0) + _GAP
        step = self.side + _GAP
        size = self._left + len(columns) * step + _GAP, _TEXT + 3 * _GAP + len(rows) * step
        self.image = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(self.image)
        for column, name in enumerate(columns):
            place = (self._left + column * step + self.side / 2, _GAP)
            draw.text(place, name, "black", self._font, anchor="ma")
        for row, name in enumerate(rows):
            middle = self._place(row, 0)[1] + self.side / 2
            draw.text((self._left - _GAP, middle), name, "black", self._font, anchor="rm")

    def put(self, row: int, column: int, image: Image.Image) -> None:
        """Show an image, smaller, in its place."""
        tile = image.resize((self.side, self.side))
        self.image.paste(tile, self._place(row, column), tile if tile.mode == "RGBA" else None)

    def _place(self, row: int, column: int) -> tuple[int, int]:
        step = self.side + _GAP
        return self._left + column * step, _TEXT + 2 * _GAP + row * step
