"""HTML as plain functions from values to strings; every foreign text is escaped where it enters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape as _escape
from typing import NewType

# A piece of HTML that is safe to put on the page: only the functions of this file make one.
Html = NewType("Html", str)


def text(value: object) -> Html:
    """Return `value` as escaped text."""
    return Html(_escape(str(value), quote=True))


def join(pieces: Iterable[Html], separator: str = "") -> Html:
    """Return `pieces` one after the other, with escaped `separator` between them."""
    return Html(_escape(separator).join(pieces))


def tag(name: str, *content: Html, css: str = "", **attributes: object) -> Html:
    """Return an element of `content`; `css` is its class, attributes are escaped.

    Underscores in attribute names read as hyphens, so that `aria_label` works.
    """
    given = {"class": css, **attributes} if css else attributes
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escape(str(value), quote=True)}"'
        for key, value in given.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{''.join(content)}</{name}>")


def heading(title: str, aside: Html | None = None) -> Html:
    """Return a panel's small heading, with an aside at its right end."""
    beside = tag("span", aside, css="nv-aside") if aside else Html("")
    return tag("div", tag("span", text(title), role="heading", aria_level=3), beside, css="nv-h")


def note(*content: Html, css: str = "") -> Html:
    """Return a bordered note."""
    return tag("div", *content, css=f"nv-note {css}".strip())


def bold(value: object) -> Html:
    """Return `value`, escaped, in the ink that figures have."""
    return tag("b", text(value))


def key_values(rows: Sequence[tuple[str, Html, str]]) -> Html:
    """Return a two-column list of (label, value, help): help is the label's tooltip."""
    cells = [
        each
        for label, value, help_ in rows
        for each in (tag("dt", text(label), data_help=help_ or None), tag("dd", value))
    ]
    return tag("dl", *cells, css="nv-kv")


def source_tag(label: str, kind: str) -> Html:
    """Return the little tag that says where a quality comes from."""
    return tag("span", text(label), css=f"nv-tag nv-tag-{kind}")


def stacked_bar(title: str, parts: Mapping[str, float], readable: Mapping[str, str]) -> Html:
    """Return one bar whose pieces show each part's share of the whole.

    `parts` maps a component to its amount, `readable` to its text; parts of zero are left out.
    """
    whole = sum(parts.values())
    if not whole > 0:
        return Html("")
    shares = {name: amount / whole for name, amount in parts.items() if amount > 0}
    pieces = [
        tag(
            "i",
            css=f"nv-part-{name}",
            style=f"flex-grow:{share:.5f}",
            title=f"{label_of(name)}: {readable[name]} ({share:.1%})",
        )
        for name, share in shares.items()
    ]
    spoken = ", ".join(f"{label_of(name)} {share:.0%}" for name, share in shares.items())
    largest = max(shares, key=lambda name: shares[name])
    said = f"{label_of(largest)} {shares[largest]:.0%}"
    head = tag("div", tag("span", text(title)), tag("span", text(said)), css="nv-bar-head")
    bar = tag("div", *pieces, css="nv-stack", role="img", aria_label=f"{title}: {spoken}")
    return tag("div", head, bar, css="nv-bar")


def label_of(name: str) -> str:
    """Return a component's name as a word: `feed_forward` → `feed-forward`."""
    return name.replace("_", "-")


def legend(names: Iterable[str]) -> Html:
    """Return the legend of the stacked bars' components."""
    return tag(
        "div",
        *(tag("span", tag("i", css=f"nv-part-{name}"), text(label_of(name))) for name in names),
        css="nv-legend",
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Html]], css: str = "") -> Html:
    """Return a table; `head` is escaped, cells are HTML."""
    top = tag("tr", *(tag("th", text(each), scope="col") for each in head))
    body = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("table", tag("thead", top), tag("tbody", *body), css=f"nv-table {css}".strip())


def code(source: str) -> Html:
    """Return `source`, escaped, as a block of code that scrolls by itself."""
    return tag("pre", text(source), css="nv-code", tabindex=0)


def alert(message: str, remedy: str = "") -> Html:
    """Return what went wrong and what to do, for people and for screen readers."""
    rest = Html(f" {text(remedy)}") if remedy else Html("")
    return tag("div", text(message), rest, css="nv-alert", role="alert")
