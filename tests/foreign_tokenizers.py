"""Small tokenizers as other families store them, made here from a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace("{1,3}", "")
SPACE = "▁"


def _trained(text: str, size: int, before: Any, alphabet: list[str]) -> dict[str, Any]:
    from tokenizers import Tokenizer, models, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = before
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, show_progress=False, limit_alphabet=400
    )
    backend.train_from_iterator([text], trainer)
    return json.loads(backend.to_str())


def _all_pairs(vocabulary: Mapping[str, int]) -> list[list[str]]:
    """Return every pair that makes a token, as converters from ranks write merges."""
    found = []
    for token, number in vocabulary.items():
        cuts = [(token[:place], token[place:]) for place in range(1, len(token))]
        pairs = [each for each in cuts if each[0] in vocabulary and each[1] in vocabulary]
        pairs.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        found += [(number, list(pair)) for pair in pairs]
    return [pair for _, pair in sorted(found, key=lambda each: each[0])]


def _byte_level(text: str, size: int, pattern: str) -> dict[str, Any]:
    from tokenizers import Regex, pre_tokenizers

    before = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return _trained(text, size, before, pre_tokenizers.ByteLevel.alphabet())


def _special(number: int, content: str) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, "special": True, **plain}


def llama_3(text: str, size: int) -> dict[str, Any]:
    """Merges by rank, whole words first, special tokens beyond the vocabulary."""
    data = _byte_level(text, size, LLAMA_3)
    data["model"]["ignore_merges"] = True
    data["model"]["merges"] = _all_pairs(data["model"]["vocab"])
    data["added_tokens"] = [_special(size, "<|begin_of_text|>")]
    return data


def qwen(text: str, size: int) -> dict[str, Any]:
    """One merge a token, NFC before."""
    data = _byte_level(text, size, QWEN)
    return {**data, "normalizer": {"type": "NFC"}, "added_tokens": [_special(size, "<|im_end|>")]}


def mistral(text: str, size: int) -> dict[str, Any]:
    """SentencePiece's: special tokens and bytes first, then merges, then characters."""
    from tokenizers import pre_tokenizers

    before = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    data = _trained(text, size - 259, before, [])
    learnt = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    letters = [token for token in learnt if len(token) == 1]
    merged = [token for token in learnt if len(token) > 1]
    special = ["<unk>", "<s>", "</s>"]
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    vocab = {token: at for at, token in enumerate([*special, *bytes_, *merged, *letters])}
    texts = {token: vocab[token] for token in [*merged, *letters]}
    model = {"type": "BPE", "vocab": vocab, "merges": _all_pairs(texts), "byte_fallback": True}
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepend = {"type": "Prepend", "prepend": SPACE}
    return {
        **data,
        "normalizer": {"type": "Sequence", "normalizers": [prepend, replaced]},
        "pre_tokenizer": None,
        "model": {**model, "unk_token": "<unk>", "fuse_unk": True},
        "added_tokens": [_special(at, token) for at, token in enumerate(special)],
    }


KINDS: Mapping[str, Callable[[str, int], dict[str, Any]]] = {
    "llama-3": llama_3,
    "qwen": qwen,
    "mistral": mistral,
}


def write_tokenizer(kind: str, folder: Path, text: str, size: int) -> Path:
    """Write a tokenizer of that kind with `size` tokens (special ones besides) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(KINDS[kind](text, size)), "utf-8")
    return folder
