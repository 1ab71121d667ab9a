"""Write the small study that later releases must be able to open.

Run once a release: python tests/assets/make_study.py tests/assets/study-0.1
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.study import queue


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    study = Study.open(folder / "study.db")
    small = Candidate(Architecture(3, 22, 11, 257, 13))
    learned = Candidate(
        Architecture(2, 34, 17, 263, 19, position="learned", norm="layernorm", mlp="gelu")
    )
    study.add(small, TrainingPlan(steps=7, seed=5))
    queue.claim(study, worker=1)
    study.report(0, [{"step": step, "n_steps": 7, "loss": 8 / step} for step in range(1, 8)])
    queue.complete(
        study,
        0,
        {
            "bits_per_byte": 2.5,
            "search_bits_per_byte": 2.25,
            "time_per_output_token_s": 0.001,
            "accuracy": 0.375,
            "tokens": 91,
            "parameters": 13_000,
        },
    )
    study.add(learned, TrainingPlan(tokens=1_000, batch_size=3))
    queue.claim(study, worker=1)
    queue.fail(study, 1, "not a number: the loss is not a number at step 3")
    study.add(small, origin="search:tpe:0123456789ab")
    study.request(2, "pause")
    study.add(small)
    study.request(3, "cancel")
    study.add(small)
    expected = {
        "trials": [trial.to_json() for trial in study.trials()],
        "loss_of_trial_0": study.curve(0)["loss"].tolist(),
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    study.close()  # the last connection moves the write-ahead log into the one file


if __name__ == "__main__":
    main(Path(sys.argv[1]))
