"""How tokens of other models are spelled in their `tokenizer.json`, and text is cut for them.

Two kinds of byte-pair encoding stand for every text, byte for byte: that of GPT-2, Llama 3 and Qwen
(each byte a printable character), and SentencePiece's as Llama 2 and Mistral have it (characters,
and bytes for those that the vocabulary lacks).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nasviz.corpus.tokenizer import N_BYTES, SAFE_BORDER, byte_characters
from nasviz.errors import InputError

# SentencePiece's sign for a space.
SPACE = "▁"

# Between a character that is no white space and a space these patterns always end a word and never
# look across, as GPT-2's does. Before a new line they may: it stays with what ends the line before.
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_KNOWN_PATTERNS = (_LLAMA_3, _LLAMA_3.replace("{1,3}", ""))  # the second is Qwen's
_BEFORE_SPACE = re.compile(SAFE_BORDER.pattern.replace(rb"[ \n]", b" "))

# What cuts text into words without losing a byte of it.
_CUTTING = ("Split", "Digits", "ByteLevel")


class Spelling(ABC):
    """How a byte and a token are spelled, and what of a text is merged by itself.

    `escaped`: characters that no token may stand for, and that are read as bytes. `border`: where a
    long text may be cut, None if nothing is known of that.
    """

    escaped: bytes = b""

    @property
    @abstractmethod
    def of_bytes(self) -> tuple[str, ...]:
        """How each byte is spelled, by its value, (256,)."""

    @abstractmethod
    def letters(self, tokens: Collection[str]) -> list[str]:
        """Return those of `tokens` that are symbols before anything is merged, bytes left out."""

    @abstractmethod
    def piece(self, token: str) -> bytes:
        """Return the bytes that a token which is no single byte stands for."""

    @abstractmethod
    def border(self, tokens: Collection[str]) -> re.Pattern[bytes] | None:
        """Return where a long text may be cut and is encoded as the whole is."""

    @abstractmethod
    def file_parts(self) -> dict[str, Any]:
        """Return what `tokenizer.json` says of it, the flags of its model under "model"."""


@dataclass(frozen=True)
class ByteSpelling(Spelling):
    """A printable character a byte, and words cut as `words`, JSON of a pre-tokenizer, says.

    With `whole_words` a word that is a token is not merged from parts (Llama 3's `ignore_merges`).
    """

    words: str
    whole_words: bool = False

    @cached_property
    def of_bytes(self) -> tuple[str, ...]:
        """How each byte is spelled."""
        return tuple(byte_characters())

    @cached_property
    def _values(self) -> dict[str, int]:
        return {character: value for value, character in enumerate(self.of_bytes)}

    def letters(self, tokens: Collection[str]) -> list[str]:
        """Return none: bytes are all that is merged."""
        return []

    def piece(self, token: str) -> bytes:
        """Return the byte of each character."""
        return bytes(self._values[character] for character in token)

    def border(self, tokens: Collection[str]) -> re.Pattern[bytes] | None:
        """Return where words of a known pattern end; None for others, whose texts stay whole."""
        steps = _steps(json.loads(self.words), "pretokenizers")
        patterns = [each["pattern"].get("Regex") for each in steps if each["type"] == "Split"]
        if steps[-1].get("use_regex", True):  # GPT-2's pattern cuts what the others leave
            patterns.append(_LLAMA_3)
        known = bool(patterns) and all(each in _KNOWN_PATTERNS for each in patterns)
        return _BEFORE_SPACE if known else None

    def file_parts(self) -> dict[str, Any]:
        """Return its parts of the file."""
        return {
            "pre_tokenizer": json.loads(self.words),
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                        "use_regex": False},
            "model": {"ignore_merges": self.whole_words},
        }  # fmt: skip


@dataclass(frozen=True)
class CharacterSpelling(Spelling):
    """Characters with a sign for the space, and `<0x0A>` for bytes of characters that are lacking.

    The sign itself is read as its three bytes, so that it is not taken for a space. `split` cuts
    words before they are merged; else a token may begin in one and end in another.
    """

    split: bool = False

    escaped = SPACE.encode()

    @cached_property
    def of_bytes(self) -> tuple[str, ...]:
        """How each byte is spelled."""
        return tuple(f"<0x{value:02X}>" for value in range(N_BYTES))

    def letters(self, tokens: Collection[str]) -> list[str]:
        """Return the single characters, the space first: without it no text has tokens."""
        return [SPACE, *(token for token in tokens if len(token) == 1 and token != SPACE)]

    def piece(self, token: str) -> bytes:
        """Return its characters, the sign being a space."""
        return token.replace(SPACE, " ").encode()

    def border(self, tokens: Collection[str]) -> re.Pattern[bytes] | None:
        """Return the borders before a space, unless a token goes on after one."""
        across = any(SPACE in token.lstrip(SPACE) for token in tokens)
        return None if across else _BEFORE_SPACE

    def file_parts(self) -> dict[str, Any]:
        """Return its parts of the file."""
        space = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
        return {
            "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never",
                              "split": self.split},
            "decoder": {"type": "Sequence",
                        "decoders": [space, {"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"byte_fallback": True},
        }  # fmt: skip


def spelling_of(data: Mapping[str, Any]) -> Spelling:
    """Return how the tokenizer of a `tokenizer.json` spells and cuts.

    What it changes of a text before is left out where that loses nothing: a space put before it
    (Llama 2), characters brought into one form (NFC, Qwen). Raises `InputError` for anything else
    that would let tokens stand for other bytes than the text's.
    """
    model = data["model"]
    if model.get("type", "BPE") != "BPE":
        raise InputError(f"its model is {model['type']!r}, and only byte-pair encoding is read")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise InputError(f"{name}={model[name]!r} changes what tokens stand for")
    normal = _steps(data.get("normalizer"), "normalizers")
    before = _steps(data.get("pre_tokenizer"), "pretokenizers")
    if model.get("byte_fallback"):
        return _by_characters(normal, before)
    return _by_bytes(normal, before, bool(model.get("ignore_merges")))


def _by_bytes(normal: list[Any], before: list[Any], whole_words: bool) -> ByteSpelling:
    for step in normal:
        if step["type"] != "NFC":
            raise InputError(f"its normalizer {step['type']!r} changes the text")
    kinds = [step["type"] for step in before]
    if kinds.count("ByteLevel") != 1 or kinds[-1] != "ByteLevel":
        raise InputError("it neither spells every byte nor has bytes for characters that it lacks")
    for step in before:
        if step["type"] not in _CUTTING or step.get("behavior") == "Removed":
            raise InputError(f"its pre-tokenizer {step['type']!r} may lose some of the text")
    if before[-1].get("add_prefix_space"):
        raise InputError("it puts a space before each text (add_prefix_space)")
    return ByteSpelling(
        json.dumps({"type": "Sequence", "pretokenizers": before}, sort_keys=True), whole_words
    )


def _by_characters(normal: list[Any], before: list[Any]) -> CharacterSpelling:
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    allowed = (replaced, {"type": "Prepend", "prepend": SPACE})
    for step in normal:
        if step not in allowed:
            raise InputError(f"its normalizer {step['type']!r} changes the text")
    marks = before[0] if before else {"type": "Metaspace", "split": False}
    if len(before) > 1 or marks["type"] != "Metaspace" or marks.get("replacement", SPACE) != SPACE:
        raise InputError("its pre-tokenizer is not SentencePiece's")
    if not before and replaced not in normal:
        raise InputError(f"it does not write {SPACE!r} for a space")
    return CharacterSpelling(bool(marks.get("split", True)))


def _steps(stage: Any, inner: str) -> list[Any]:
    """Return the steps of a normalizer or a pre-tokenizer in turn, sequences taken apart."""
    if stage is None:
        return []
    if stage["type"] == "Sequence":
        return [step for each in stage[inner] for step in _steps(each, inner)]
    return [stage]
