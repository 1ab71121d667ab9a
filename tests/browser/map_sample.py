"""A made-up sample for the map's browser tests; its text is a notebook's first cell."""

import numpy as np

from nasviz.widgets.candidate_map import CandidateMap
from nasviz.widgets.map_columns import MapColumn, Mark


def sample(n=20_000, seed=7):
    random = np.random.default_rng(seed)
    layers = random.integers(1, 17, n)
    width = 32 * random.integers(2, 21, n)
    heads = 2 ** random.integers(0, 5, n)
    vocabulary = 2 ** random.integers(8, 14, n)
    weights = 12 * layers * width**2 + vocabulary * width
    seconds = (2e-4 + weights / 3e9 + layers * 4e-5) * np.exp(random.normal(0, 0.05, n))
    bits = 1.2 + 95 / weights**0.3 + 0.05 * np.abs(random.normal(0, 1, n)) + 0.3 / np.sqrt(layers)
    return [
        MapColumn("n_layers", layers, "Layers", "dimension", short="{} layers"),
        MapColumn("d_model", width, "Embedding", "dimension", short="{} wide"),
        MapColumn("n_heads", heads, "Heads", "dimension", short="{} heads", log=True),
        MapColumn("vocab_size", vocabulary, "Vocabulary", "dimension", log=True),
        MapColumn(
            "mlp", layers % 3, "Feed-forward kind", "dimension", choices=("gelu", "relu", "swiglu")
        ),
        MapColumn("seconds", seconds, "time per token", "cost", unit="s", log=True),
        MapColumn("weights", weights, "parameters", "cost", log=True),
        MapColumn("bits_per_byte", bits, "bits per byte", "quality", note="prior"),
    ]


def marks():
    trained = [(5e-4, 3.1), (1e-3, 2.9), (2e-3, 2.6), (4e-3, 2.4)]
    hostile = "<img src=x onerror='document.title=1'>"
    return [
        *(
            Mark(
                f"trial-{number}",
                f"trial {number}",
                "trained",
                {"seconds": seconds, "weights": seconds * 2e9, "bits_per_byte": bits},
                {"bits_per_byte": (bits - 0.1, bits + 0.1)},
            )
            for number, (seconds, bits) in enumerate(trained)
        ),
        Mark("trial-9", "trial 9", "waiting", {"seconds": 3e-3, "bits_per_byte": 2.7}),
        Mark("preset-a", hostile, "landmark", {"seconds": 1.5e-3, "bits_per_byte": 2.45}),
    ]


columns = sample()
numbers = {column.name: np.asarray(column.values) for column in columns}
m = CandidateMap(columns)
m.set_marks(marks())
