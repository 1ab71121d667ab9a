"""The drawing of an architecture: an SVG whose shapes follow the sizes.

Read from the bottom: the tokens of the context, the embedding table, the layers, the head. Widths
grow with the logarithm of the embedding size, so that a phone's model and a data centre's fit the
same card; attention is cut into its heads, and its key/value heads are marked below them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nasviz.cost.units import count
from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes, span
from nasviz.widgets.html import Html, text

WIDTH = 104
HEIGHT = 152
MOST_LAYERS = 24
MOST_HEADS = 16

_NARROWEST, _WIDEST = 46.0, 92.0
_END_HEIGHT = 9.0
_STACK_TOP, _STACK_BOTTOM = 16.0, 120.0


@dataclass(frozen=True)
class Box:
    """One rectangle: its place in the drawing and the part of the model that it stands for."""

    part: str
    x: float
    y: float
    width: float
    height: float

    @property
    def svg(self) -> str:
        """The rectangle as an SVG element, coloured by the style sheet through its part."""
        return (
            f'<rect class="nv-draw-{self.part}" x="{self.x:.2f}" y="{self.y:.2f}" '
            f'width="{self.width:.2f}" height="{self.height:.2f}" rx="1.5"/>'
        )


def draw_architecture(architecture: Architecture) -> Html:
    """Return the drawing as one SVG element with a spoken description."""
    boxes = layout(architecture)
    hidden = architecture.n_layers - MOST_LAYERS
    label = f"… {count(architecture.n_layers)} layers" if hidden > 0 else ""
    words = text(describe(architecture))
    return Html(
        f'<svg class="nv-draw" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">'
        f"<title>{words}</title>{''.join(box.svg for box in boxes)}"
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 1}" text-anchor="middle">{text(label)}</text></svg>'
    )


def describe(architecture: Architecture) -> str:
    """Return the drawing in words, for whoever can't see it."""
    layers = architecture.sizes_by_layer
    heads = f"{span(layers, 'n_heads')} heads"
    if architecture.n_kv_heads != architecture.n_heads:
        heads += f" over {span(layers, 'n_kv_heads')} key/value heads"
    experts = f" in {architecture.experts} experts" if architecture.experts > 1 else ""
    return (
        f"{architecture.title}: {heads}, {architecture.mlp} feed-forward of "
        f"{span(layers, 'd_ff')}{experts}, {count(architecture.vocab_size)} tokens, "
        f"context of {count(architecture.context_length)}"
    )


def layout(architecture: Architecture) -> list[Box]:
    """Return every rectangle of the drawing, from the head down to the tokens."""
    width = block_width(architecture.d_model)
    table = end_width(architecture.vocab_size)
    head = "embedding" if architecture.tied_embeddings else "head"
    shown = min(architecture.n_layers, MOST_LAYERS)
    pitch = min(22.0, (_STACK_BOTTOM - _STACK_TOP) / shown)
    middle = (_STACK_TOP + _STACK_BOTTOM) / 2
    top, bottom = middle - shown * pitch / 2, middle + shown * pitch / 2
    boxes = [_centred(head, top - _END_HEIGHT - 4, table, _END_HEIGHT)]
    for index in range(shown):
        boxes += _layer(architecture, index, bottom - (index + 1) * pitch, width, pitch * 0.82)
    boxes.append(_centred("embedding", bottom + 2, table, _END_HEIGHT))
    boxes += _tokens(architecture.context_length, bottom + _END_HEIGHT + 6)
    return boxes


def block_width(d_model: int) -> float:
    """Return the width of a layer: 64 is the narrowest, 16,384 the widest that is drawn apart."""
    share = (math.log2(d_model) - 6) / 8
    return _NARROWEST + (_WIDEST - _NARROWEST) * min(1.0, max(0.0, share))


def end_width(vocab_size: int) -> float:
    """Return the width of the embedding table: 256 tokens the narrowest, 262,144 the widest."""
    share = (math.log2(vocab_size) - 8) / 10
    return 28 + (_WIDEST - 28) * min(1.0, max(0.0, share))


def _centred(part: str, y: float, width: float, height: float) -> Box:
    return Box(part, (WIDTH - width) / 2, y, width, height)


def _layer(
    architecture: Architecture, number: int, y: float, width: float, height: float
) -> list[Box]:
    """Return a layer's frame, its heads on the left and its feed-forward part on the right.

    The two share the frame in proportion to their weights: 4·d² at most for attention, 2 or 3
    matrices of d·d_ff (times the experts that a token goes through) for the feed-forward part.
    Where layers differ that is so of the largest; in the others what they lack is left blank.
    """
    sizes = architecture.sizes_of(number)
    left = (WIDTH - width) / 2
    margin = min(2.0, height / 5)
    inner, inner_height = width - 3 * margin, height - 2 * margin
    kv_share = architecture.n_kv_heads / architecture.n_heads
    attention = architecture.n_heads * architecture.head_dim * (2 + 2 * kv_share)
    matrices = 3 if architecture.gated else 2
    feed_forward = matrices * architecture.d_ff * architecture.experts_per_token
    share = min(0.8, max(0.2, attention / (attention + feed_forward)))
    start = left + 2 * margin + inner * share
    frame = Box("layer", left, y, width, height)
    attended = inner * share * sizes.n_heads / architecture.n_heads
    fed = inner * (1 - share) * sizes.d_ff / architecture.d_ff
    boxes = [frame]
    if sizes.n_heads:
        boxes += _heads(sizes, left + margin, y + margin, attended, inner_height)
    if sizes.d_ff:
        boxes.append(Box("ff", start, y + margin, fed, inner_height))
    return boxes


def _heads(sizes: LayerSizes, x: float, y: float, width: float, height: float) -> list[Box]:
    """Return a box each head (at most `MOST_HEADS`); heads that share keys stand close together."""
    heads = min(sizes.n_heads, MOST_HEADS)
    groups = max(1, min(heads, round(heads * sizes.n_kv_heads / sizes.n_heads)))
    gap = min(1.4, width / heads / 3)
    step = width / heads
    together = heads // groups
    return [
        Box(
            "attention",
            x + index * step,
            y,
            step - (gap if (index + 1) % together == 0 else gap * 0.35),
            height,
        )
        for index in range(heads)
    ]


def _tokens(context_length: int, y: float) -> list[Box]:
    """Return a row of small tokens, one for each doubling of the context beyond 8."""
    tokens = min(16, max(1, round(math.log2(max(2, context_length))) - 2))
    size, step = 3.4, 5.4
    left = (WIDTH - tokens * step + (step - size)) / 2
    return [Box("token", left + index * step, y, size, size) for index in range(tokens)]
