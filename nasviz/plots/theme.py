"""Palette and type sizes of every figure; the page's own colours are put on in the browser."""

from __future__ import annotations

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

TICK_SIZE = "11px"
LABEL_SIZE = "12px"
INK = "#1c2127"
SOFT = "#5b6570"
LINE = "#e3e6ea"
PAGE = "#ffffff"
CLOUD = "#5f9fcb"  # the middle of the density's scale
