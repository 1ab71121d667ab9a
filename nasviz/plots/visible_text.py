"""Tokens as text that shows all there is in them: line ends, control characters, broken bytes."""

from __future__ import annotations

import unicodedata

# Control, format (among them those that turn the direction of text), surrogate, private, unused;
# separators, of which the plain space alone looks like one.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_SIGNS = {"\n": "⏎\n", "\t": "⇥", " ": " "}
_ESCAPED_BYTES = range(0xDC80, 0xDD00)


def visible(piece: bytes, *, spaces: bool = False) -> str:
    r"""Return a token's bytes as visible text; not escaped for HTML.

    A line end is shown and kept, tabs have a sign; other control characters, unseen ones and bytes
    that are no whole character (a token may end inside one) stand as ‹hex›; a mark that would sit
    on the letter before gets a circle of its own; an unused token, which has no bytes, is ‹›.
    `spaces` shows these too.

    >>> visible(b"end.\n"), visible(b" the", spaces=True), visible(b"\xe2\x80"), visible(b"\x1b")
    ('end.⏎\n', '␣the', '‹e2›‹80›', '‹1b›')
    """
    text = piece.decode(errors="surrogateescape")
    if not text:
        return "‹›"
    if unicodedata.category(text[0]).startswith("M"):
        text = "\N{DOTTED CIRCLE}" + text
    shown = "".join(_shown(character) for character in text)
    return shown.replace(" ", "␣") if spaces else shown


def _shown(character: str) -> str:
    code = ord(character)
    if character in _SIGNS:
        return _SIGNS[character]
    if code in _ESCAPED_BYTES:
        return f"‹{code - 0xDC00:02x}›"
    if unicodedata.category(character) in _UNSEEN:
        return f"‹{code:02x}›"
    return character
