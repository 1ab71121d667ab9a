"""Some text from a trained model, for people to look at."""

from __future__ import annotations

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer

PROMPT_BYTES = 48
N_TOKENS = 64
TEMPERATURE = 0.8
N_SAMPLES = 2


def write_samples(model: Transformer, tokenized: TokenizedCorpus) -> list[dict[str, str]]:
    """Return `N_SAMPLES` of `{"prompt": …, "text": …}`.

    Prompts are spread over the test part, so that the model has not seen them. It runs under the
    policy that it was trained for.
    """
    text = tokenized.corpus.part("test")
    samples = []
    for index in range(N_SAMPLES):
        start = len(text) * index // N_SAMPLES
        prompt = text[start : start + PROMPT_BYTES].decode("utf-8", errors="ignore")
        tokens = tokenized.tokenizer.encode(prompt)
        written = generate(
            model,
            tokens,
            N_TOKENS,
            policy=model.built_for,
            temperature=TEMPERATURE,
            seed=index,
        )
        samples.append({"prompt": prompt, "text": tokenized.tokenizer.decode(written.tokens)})
    return samples
