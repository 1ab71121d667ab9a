"""Palette and type sizes of every figure; the page's own colours are put on in the browser."""

from __future__ import annotations

from types import MappingProxyType

# Okabe and Ito 2008, Color Universal Design, https://jfly.uni-koeln.de/color/
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
ORANGE = "#e69f00"
VERMILLION = "#d55e00"
VIOLET = "#cc79a7"
GREY = "#8a949e"
GOLD = "#b07d00"  # darker than the palette's yellow, which white paper swallows

# Colour and shape together: a series is told apart without either.
SERIES = (BLUE, VERMILLION, GREEN, VIOLET, ORANGE, SKY, GREY)
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star")
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")

# Where parameters, operations, bytes and seconds go: one colour a part, in every figure.
COMPONENT_COLOURS = MappingProxyType(
    {
        "embedding": SKY,
        "attention": BLUE,
        "feed_forward": GREEN,
        "router": GOLD,
        "norm": ORANGE,
        "head": VIOLET,
        "cache": VERMILLION,
        "overhead": GREY,
    }
)

TICK_SIZE = "11px"
LABEL_SIZE = "12px"
INK = "#1c2127"
SOFT = "#5b6570"
LINE = "#e3e6ea"


def component_colour(name: str) -> str:
    """Return the colour of one part of a model; parts that have none of their own are grey."""
    return COMPONENT_COLOURS.get(name, GREY)
