"""What draws a still picture: as SVG text, or as the pixels of a PNG file.

Both pens have the same strokes, so that a picture is composed once. Lengths are pixels of the
picture, places are (x, y) from its left top corner, colours are `#rrggbb`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.png import png_bytes

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Place = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Anchor = Literal["start", "middle", "end"]

_FONT = "system-ui, 'DejaVu Sans', sans-serif"
_FONT_FILES = ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
_SCALE = 2  # pixels of a PNG to one of the picture: sharp in print and on dense screens


class Pen(Protocol):
    """The strokes that a picture is made of; `clip` cuts the later ones off at a box, or not."""

    def clip(self, box: Box | None) -> None:
        """Cut off what is drawn from here on at `box`; None ends that."""

    def line(self, places: Sequence[Place], colour: str, width: float = 1.0) -> None:
        """Draw a line through `places`."""

    def circle(
        self, place: Place, radius: float, fill: str | None, edge: str, width: float
    ) -> None:
        """Draw a circle; without `fill` it is a ring."""

    def area(self, places: Sequence[Place], fill: str, edge: str | None = None) -> None:
        """Fill the polygon with these corners."""

    def image(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """Lay RGBA `pixels`, shape (height, width, 4), over `box`, in hard-edged cells."""

    def text(
        self, place: Place, text: str, colour: str, anchor: Anchor = "start", turned: bool = False
    ) -> None:
        """Write `text` from, around or up to `place`, on its baseline; `turned` reads upwards."""


class SvgPen:
    """Draws as SVG; foreign text is escaped."""

    def __init__(self, width: int, height: int, label: str) -> None:
        self._size = (width, height)
        self._label = label
        self._parts: list[str] = []

    def svg(self) -> str:
        """Return the picture as SVG text that needs nothing else."""
        width, height = self._size
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" '
            f'aria-label="{escape(self._label, quote=True)}" '
            f'font-family="{_FONT}" font-size="12">'
            f'<rect width="{width}" height="{height}" rx="4" fill="#fff"/>'
            f"{''.join(self._parts)}</svg>"
        )

    def clip(self, box: Box | None) -> None:
        """Cut off what is drawn from here on at `box`; None ends that."""
        if box is None:
            self._parts.append("</g>")
            return
        left, top, right, bottom = box
        self._parts.append(
            f'<clipPath id="nv-still"><rect x="{left}" y="{top}" width="{right - left}" '
            f'height="{bottom - top}"/></clipPath><g clip-path="url(#nv-still)">'
        )

    def line(self, places: Sequence[Place], colour: str, width: float = 1.0) -> None:
        """Draw a line through `places`."""
        self._parts.append(
            f'<path d="{_path(places)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )

    def circle(
        self, place: Place, radius: float, fill: str | None, edge: str, width: float
    ) -> None:
        """Draw a circle; without `fill` it is a ring."""
        self._parts.append(
            f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius}" '
            f'fill="{fill or "none"}" stroke="{edge}" stroke-width="{width}"/>'
        )

    def area(self, places: Sequence[Place], fill: str, edge: str | None = None) -> None:
        """Fill the polygon with these corners."""
        outline = f' stroke="{edge}"' if edge else ""
        self._parts.append(f'<path d="{_path(places)}z" fill="{fill}"{outline}/>')

    def image(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """Lay RGBA `pixels`, shape (height, width, 4), over `box`, in hard-edged cells."""
        left, top, right, bottom = box
        data = base64.b64encode(png_bytes(pixels)).decode("ascii")
        self._parts.append(
            f'<image x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" '
            f'height="{bottom - top:.2f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )

    def text(
        self, place: Place, text: str, colour: str, anchor: Anchor = "start", turned: bool = False
    ) -> None:
        """Write `text` from, around or up to `place`, on its baseline; `turned` reads upwards."""
        x, y = place
        where = (
            f'transform="translate({x:.1f} {y:.1f}) rotate(-90)"'
            if turned
            else f'x="{x:.1f}" y="{y:.1f}"'
        )
        self._parts.append(
            f'<text {where} fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
        )


class PngPen:
    """Draws pixels, twice as fine as the picture's."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.new("RGBA", (width * _SCALE, height * _SCALE), "#ffffff")
        self._draw = ImageDraw.Draw(self._image)
        self._font, self._whole_font = _font()
        self._whole = self._image
        self._box: Box | None = None

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        written = io.BytesIO()
        self._whole.convert("RGB").save(written, "PNG")
        return written.getvalue()

    def clip(self, box: Box | None) -> None:
        """Cut off what is drawn from here on at `box`; None ends that."""
        from PIL import ImageDraw

        if box is not None:
            self._box, self._image = box, self._whole.copy()
        elif self._box is not None:
            left, top, right, bottom = (round(_SCALE * each) for each in self._box)
            kept = self._image.crop((left, top, right, bottom))
            self._whole.paste(kept, (left, top))
            self._box, self._image = None, self._whole
        self._draw = ImageDraw.Draw(self._image)

    def line(self, places: Sequence[Place], colour: str, width: float = 1.0) -> None:
        """Draw a line through `places`."""
        wide = max(1, round(_SCALE * width))
        self._draw.line(_scaled(places), fill=colour, width=wide, joint="curve")

    def circle(
        self, place: Place, radius: float, fill: str | None, edge: str, width: float
    ) -> None:
        """Draw a circle; without `fill` it is a ring."""
        x, y = place
        reach = radius + width / 2
        box = _scaled([(x - reach, y - reach), (x + reach, y + reach)])
        self._draw.ellipse(box, fill=fill, outline=edge, width=max(1, round(_SCALE * width)))

    def area(self, places: Sequence[Place], fill: str, edge: str | None = None) -> None:
        """Fill the polygon with these corners."""
        self._draw.polygon(_scaled(places), fill=fill, outline=edge)

    def image(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """Lay RGBA `pixels`, shape (height, width, 4), over `box`, in hard-edged cells."""
        from PIL import Image

        left, top, right, bottom = (round(_SCALE * each) for each in box)
        size = (max(1, right - left), max(1, bottom - top))
        scaled = Image.fromarray(pixels, "RGBA").resize(size, Image.Resampling.NEAREST)
        self._image.alpha_composite(scaled, (max(0, left), max(0, top)))

    def text(
        self, place: Place, text: str, colour: str, anchor: Anchor = "start", turned: bool = False
    ) -> None:
        """Write `text` from, around or up to `place`, on its baseline; `turned` reads upwards."""
        from PIL import Image, ImageDraw

        text = text if self._whole_font else text.replace("µ", "u")
        x, y = (_SCALE * each for each in place)
        side = {"start": "l", "middle": "m", "end": "r"}[anchor]
        if not turned:
            self._draw.text((x, y), text, fill=colour, font=self._font, anchor=f"{side}s")
            return
        length = round(self._font.getlength(text))
        tall = 20 * _SCALE
        strip = Image.new("RGBA", (length, tall), (0, 0, 0, 0))
        line = ImageDraw.Draw(strip)
        line.text((0, tall - 5 * _SCALE), text, fill=colour, font=self._font, anchor="ls")
        upright = strip.rotate(90, expand=True)
        place_at = (round(x - tall + 5 * _SCALE), max(0, round(y - length / 2)))
        self._image.alpha_composite(upright, place_at)


def _path(places: Sequence[Place]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _scaled(places: Sequence[Place]) -> list[Place]:
    return [(_SCALE * x, _SCALE * y) for x, y in places]


def _font() -> tuple[FreeTypeFont, bool]:
    """Return this machine's font of the picture, and whether it is one with every letter.

    Where none is installed it is the one that Pillow brings, which has no µ.
    """
    from PIL import ImageFont

    installed = next((font for font in map(_installed, _FONT_FILES) if font is not None), None)
    if installed is not None:
        return installed, True
    return cast("FreeTypeFont", ImageFont.load_default(12 * _SCALE)), False


def _installed(name: str) -> FreeTypeFont | None:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, 12 * _SCALE)
    except OSError:  # there is no such file on this machine
        return None
