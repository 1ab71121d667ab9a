"""`nasviz generate`: text from a trained trial."""

from __future__ import annotations

import argparse
import codecs
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nasviz.commands.policy_flags import add_policy_arguments, policy_of
from nasviz.commands.trained import add_trial_arguments, trained_folder
from nasviz.errors import InputError
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.layer_skip import LayerSkip, resolved

if TYPE_CHECKING:
    from nasviz.model.transformer import Transformer

HELP = """Write text with a trained trial, token by token.

The same seed gives the same text. Temperature 0 always takes the likeliest token. The policy's
flags change how the model runs; layers a token and tokens a second are said at the end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_trial_arguments(parser)
    parser.add_argument("--prompt", metavar="TEXT", required=True, help="what the text begins with")
    parser.add_argument("--tokens", type=int, default=128, metavar="N", help="default: 128")
    parser.add_argument("--temperature", type=float, default=0.8, metavar="T", help="default: 0.8")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw among the K likeliest tokens")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--json", action="store_true", help="one JSON object when all is written")
    add_policy_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the prompt and what the model goes on with; returns 0."""
    if arguments.tokens < 1:
        raise InputError(f"--tokens {arguments.tokens} leaves nothing to write; 1 or more")
    folder = trained_folder(arguments.trial, arguments.study)
    # Torch loads in the next line: wrong input was refused before.
    from nasviz.model.generate import generate
    from nasviz.model.trained import load_trained

    model, tokenizer = load_trained(folder)
    policy = _named(policy_of(arguments, model.built_for), model)
    prompt = tokenizer.encode(arguments.prompt)
    pieces = _TextPieces(tokenizer.decode_bytes)
    beginning = [arguments.prompt]  # shown with the first token: wrong settings print nothing

    def show(token: int) -> None:
        shown = beginning.pop() if beginning else ""
        print(shown + pieces.add(token), end="", flush=True)

    began = time.perf_counter()
    written = generate(
        model,
        prompt,
        arguments.tokens,
        policy=policy,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        seed=arguments.seed,
        on_token=None if arguments.json else show,
    )
    seconds = time.perf_counter() - began
    rate = len(written.tokens) / seconds
    if arguments.json:
        found = {
            "prompt": arguments.prompt,
            "text": tokenizer.decode(written.tokens),
            "tokens": list(written.tokens),
            "prompt_cut": written.prompt_cut,
            "rereads": written.rereads,
            "seed": arguments.seed,
            "inference": policy.to_json(),
            "depths": list(written.depths),
            "average_layers": written.average_layers,
            "tokens_per_s": rate,
        }
        print(json.dumps(found))
    else:
        print(pieces.rest())
        n_layers = model.architecture.n_layers
        print(
            f"nasviz: {written.average_layers:.2f} of {n_layers} layers a token, "
            f"{rate:,.0f} tokens/s, prompt included",
            file=sys.stderr,
        )
    context = model.architecture.context_length
    if written.prompt_cut:
        print(
            f"nasviz: the prompt is longer than the context of {context} tokens; its first "
            f"{written.prompt_cut} were not read",
            file=sys.stderr,
        )
    if written.rereads:
        times = "once" if written.rereads == 1 else f"{written.rereads} times"
        print(
            f"nasviz: the context of {context} tokens filled up {times}; the model then went on "
            "from its latest half",
            file=sys.stderr,
        )
    return 0


def _named(policy: InferencePolicy, model: Transformer) -> InferencePolicy:
    """Return the policy with the layers named that it chooses by what was measured of the model."""
    option = policy.get(LayerSkip)
    if option is None or option.choose != "influence":
        return policy
    layers = resolved(option, model.architecture.n_layers, model.block_influence)
    return policy.with_(layers)


class _TextPieces:
    """Text as its tokens come: a character that spans tokens appears when it is whole."""

    def __init__(self, decode_bytes: Callable[[Iterable[int]], bytes]) -> None:
        self._decode_bytes = decode_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        """Return the text that `token` completes, perhaps none."""
        return self._decoder.decode(self._decode_bytes([token]))

    def rest(self) -> str:
        """Return what is left when no more tokens come."""
        return self._decoder.decode(b"", final=True)
