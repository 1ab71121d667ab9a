"""Well-known public text sets by name, fetched through `datasets` when a user asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from nasviz.errors import InputError, RunError

MAX_BYTES = 128 << 20
SEPARATOR = "\n\n"


@dataclass(frozen=True)
class PublicSet:
    """Where a text set lies on the hub: its id, configuration, splits in order, text column.

    `separator` stands between two rows: an empty line between documents, nothing where the rows
    are a text's lines or pieces. Rows are streamed until `max_bytes` of text are there.
    """

    hub_id: str
    config: str | None = None
    splits: tuple[str, ...] = ("train",)
    column: str = "text"
    separator: str = SEPARATOR
    max_bytes: int = MAX_BYTES


PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {
        "wikitext-2": PublicSet("Salesforce/wikitext", "wikitext-2-raw-v1", separator=""),
        "wikitext-103": PublicSet("Salesforce/wikitext", "wikitext-103-raw-v1", separator=""),
        "tinystories": PublicSet("roneneldan/TinyStories"),
        "fineweb-edu": PublicSet("HuggingFaceFW/fineweb-edu", "sample-10BT"),
        "fineweb": PublicSet("HuggingFaceFW/fineweb", "sample-10BT"),
        "openwebtext": PublicSet("Skylion007/openwebtext"),
        "c4": PublicSet("allenai/c4", "en"),
        "wikipedia": PublicSet("wikimedia/wikipedia", "20231101.en"),
        "tiny_shakespeare": PublicSet(
            "karpathy/tiny_shakespeare", splits=("train", "validation", "test"), separator=""
        ),
    }
)


def read_public_set(name: str, max_bytes: int | None = None) -> bytes:
    """Return the text of the public set called `name`, UTF-8, cut to `max_bytes` (or its own).

    Raises `InputError` if the `datasets` package is missing, `RunError` if the hub can't be
    reached or doesn't hold the set.
    """
    public_set = PUBLIC_SETS[name]
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"corpus {name}: the package 'datasets' is missing; install it with "
            "`pip install 'nasviz[hub]'`, or give a local file or folder"
        ) from None
    limit = public_set.max_bytes if max_bytes is None else max_bytes
    try:
        return gather(_rows(datasets, public_set), public_set, limit)
    # `datasets` lets errors of several network packages through, which have no common base.
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise RunError(
            f"corpus {name}: {public_set.hub_id} could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}: {reason[:200]}); check the network, or use a local file, "
            "a folder, or the corpus 'python', which needs none"
        ) from error


def _rows(datasets: Any, public_set: PublicSet) -> Iterable[Mapping[str, Any]]:
    for split in public_set.splits:
        yield from datasets.load_dataset(
            public_set.hub_id, public_set.config, split=split, streaming=True
        )


def gather(rows: Iterable[Mapping[str, Any]], public_set: PublicSet, limit: int) -> bytes:
    """Return the rows' texts, joined, as UTF-8 of at most `limit` bytes.

    Lone surrogates and NUL characters, which no UTF-8 text has a use for, become U+FFFD.
    """
    separator = public_set.separator.encode()
    pieces: list[bytes] = []
    size = 0
    for row in rows:
        text = str(row[public_set.column]).replace("\0", "\ufffd")
        piece = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
        pieces.append(piece)
        size += len(piece) + len(separator)
        if size >= limit:
            break
    return separator.join(pieces)[:limit].decode(errors="ignore").encode()
