"""Training beside public nanoGPT: the same text, the same tokens, whole processes in turn.

Run: python tests/benchmarks/nanogpt.py --nanogpt DIR --text FILE [--pairs N] [--rates R …]

DIR is a clone of github.com/karpathy/nanoGPT, run as its README says for a CPU (4 layers, 4 heads,
128 wide, context 64, 2,000 × 12 windows). Ours is the default recipe at the same sizes, on bytes,
with no more parameters: a feed-forward part three times as wide makes an eighth fewer products
than one with all of nanoGPT's parameters, and costs 0.01 bits per byte. Both see the first 90% of
the text's bytes and are scored on all of the rest, in one pass with stride 64. Walls are those of
whole processes, start-up and scoring included.

`--rates` prints instead what Muon's rate should be: each is trained on the first nine tenths of
the training part and scored on its last tenth.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from nasviz import Architecture, Candidate, TrainingPlan

TOKENS = 1_536_000
TARGET = 2.74  # bits per byte where nanoGPT's run ends
SIZES = Architecture(
    n_layers=4, d_model=128, n_heads=4, vocab_size=256, context_length=64, mlp="relu2", d_ff=384
)
README_RUN = (
    "train.py config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 "
    "--log_interval=1 --block_size=64 --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 "
    "--max_iters=2000 --lr_decay_iters=2000 --dropout=0.0"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", type=Path)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="*")
    parser.add_argument("--ours", type=int, metavar="SEED", help=argparse.SUPPRESS)
    parser.add_argument("--crossing", type=int, metavar="SEED", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours is not None:
        print(json.dumps(train_ours(arguments.text, arguments.ours)))
    elif arguments.crossing is not None:
        print(json.dumps(crossing_step(arguments.text, arguments.crossing)))
    elif arguments.rates:
        compare_rates(arguments.text, arguments.rates)
    else:
        compare(arguments.nanogpt, arguments.text, arguments.pairs)


def tokenized(text: Path) -> Any:
    from nasviz.corpus.corpus import open_corpus
    from nasviz.corpus.tokenized import tokenize

    return tokenize(open_corpus(text), 256)


def train_ours(text: Path, seed: int, **settings: Any) -> dict[str, Any]:
    """Return our run's held-out bits per byte, and when each step was done: s since start-up."""
    from nasviz.evaluation.scoring import score
    from nasviz.training.trainer import train_candidate

    tokens, steps = tokenized(text), []
    started = psutil.Process().create_time()
    with tempfile.TemporaryDirectory() as folder:
        result = train_candidate(
            Candidate(SIZES),
            TrainingPlan(tokens=TOKENS, seed=seed, **settings),
            tokens,
            directory=folder,
            report=lambda progress: steps.append((progress.step, time.time() - started)),
            score=lambda model: score(model, tokens, "held_out", stride=64),
        )
    return {
        "bits_per_byte": result.score.bits_per_byte,
        "bytes": result.score.bytes,
        "parameters": result.parameters,
        "threads": result.threads,
        "precision": result.recipe["precision"],
        "steps": steps,
    }


def crossing_step(text: Path, seed: int, every: int = 10, least: int = 90) -> dict[str, Any]:
    """Return the first step, of those looked at, whose weights are past TARGET on all held-out.

    The same run as `train_ours`, paused to be scored: pausing changes nothing of what is learnt.
    """
    from nasviz.evaluation.scoring import score
    from nasviz.model.checkpoint import load_checkpoint
    from nasviz.training.resume import find
    from nasviz.training.trainer import train_candidate

    tokens, plan = tokenized(text), TrainingPlan(tokens=TOKENS, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        step, bits = least, math.inf
        while bits > TARGET:
            asked = 0

            def until(before: int = 0 if step == least else step - every, goal: int = step) -> str:
                nonlocal asked
                asked += 1
                return "pause" if before + asked > goal else "go"

            train_candidate(Candidate(SIZES), plan, tokens, directory=folder, control=until)
            weights = find(Path(folder))
            assert weights is not None
            bits = score(load_checkpoint(weights), tokens, "held_out", stride=64).bits_per_byte
            step += every
    return {"step": step - every, "bits_per_byte": bits}


def compare_rates(text: Path, rates: list[float]) -> None:
    """Print what each rate of Muon comes to on a slice of the training part."""
    whole = text.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        slice_ = Path(folder) / "training-part.txt"
        slice_.write_bytes(whole[: len(whole) * 9 // 10])
        print(f"{TOKENS:,} tokens, seed 1, scored on the last tenth of the training part")
        for rate in rates:
            run = train_ours(slice_, 1, learning_rate=rate)
            print(f"  rate {rate:<8g} {run['bits_per_byte']:.4f} bits per byte", flush=True)


def run_nanogpt(source: Path, text: Path) -> dict[str, Any]:
    """Return nanoGPT's wall time, and the bits per byte of the checkpoint it kept."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "nanoGPT"
        shutil.copytree(source, clone, ignore=shutil.ignore_patterns(".git", "out-*"))
        held_out, vocabulary = _prepare(clone, text)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *README_RUN.split()], cwd=clone, check=True, capture_output=True
        )
        wall = time.perf_counter() - began
        del done
        checkpoint = torch.load(clone / "out-shakespeare-char" / "ckpt.pt", weights_only=True)
        bits, parameters = _score_nanogpt(clone, checkpoint, held_out)
    return {"wall": wall, "bits_per_byte": bits, "parameters": parameters, "vocab": vocabulary}


def _prepare(clone: Path, text: Path) -> tuple[np.ndarray, int]:
    """Write the characters as nanoGPT's own `prepare.py` would, split at the same byte as ours."""
    data = np.frombuffer(text.read_bytes(), dtype=np.uint8)
    if data.max() > 127:
        raise SystemExit("the text must be ASCII: nanoGPT counts characters and we count bytes")
    alphabet, ids = np.unique(data, return_inverse=True)
    cut = len(data) * 9 // 10
    folder = clone / "data" / "shakespeare_char"
    ids[:cut].astype(np.uint16).tofile(folder / "train.bin")
    ids[cut:].astype(np.uint16).tofile(folder / "val.bin")
    with (folder / "meta.pkl").open("wb") as file:  # what nanoGPT reads its vocabulary from
        pickle.dump({"vocab_size": len(alphabet)}, file)
    return ids[cut:].astype(np.int64), len(alphabet)


def _score_nanogpt(clone: Path, checkpoint: dict[str, Any], ids: np.ndarray) -> tuple[float, int]:
    sys.path.insert(0, str(clone))
    from model import GPT, GPTConfig  # nanoGPT's

    model = GPT(GPTConfig(**checkpoint["model_args"]))
    model.load_state_dict(checkpoint["model"])
    model.eval()
    nats = 0.0
    with torch.inference_mode():
        for start in range(0, len(ids) - 1, 64):
            window = torch.from_numpy(ids[start : start + 65])
            logits = model(window[None, :-1], window[None, 1:])[0][0]
            losses = torch.nn.functional.cross_entropy(logits, window[1:], reduction="none")
            nats += losses.double().sum().item()
    sys.path.remove(str(clone))
    parameters = sum(each.numel() for each in model.parameters())
    return nats / math.log(2) / (len(ids) - 1), parameters


def compare(nanogpt: Path, text: Path, pairs: int) -> None:
    """Run both in turn and print them side by side."""
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for seed in range(1, pairs + 1):
        theirs.append(run_nanogpt(nanogpt, text))
        began = time.perf_counter()
        ours.append(_subprocess("--ours", seed, text))
        ours[-1]["wall"] = time.perf_counter() - began
        line = f"pair {seed}: nanoGPT {theirs[-1]['wall']:.1f} s {theirs[-1]['bits_per_byte']:.4f}"
        line += f"; nasviz {ours[-1]['wall']:.1f} s {ours[-1]['bits_per_byte']:.4f}"
        print(line, flush=True)
    crossing = _subprocess("--crossing", 1, text)
    _report(ours, theirs, crossing)


def _report(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], crossing: dict[str, Any]
) -> None:
    our_wall = statistics.median(run["wall"] for run in ours)
    their_wall = statistics.median(run["wall"] for run in theirs)
    ratios = [a["wall"] / b["wall"] for a, b in zip(ours, theirs, strict=True)]
    first = ours[0]
    past = [
        next(seconds for step, seconds in run["steps"] if step >= crossing["step"]) / other["wall"]
        for run, other in zip(ours, theirs, strict=True)
    ]
    print(f"\n{platform.machine()}, torch {torch.__version__}, n = {len(ours)} pairs")
    print(f"{'':<22}{'nasviz':>12}{'nanoGPT':>12}")
    print(f"{'parameters':<22}{first['parameters']:>12,}{theirs[0]['parameters']:>12,}")
    print(
        f"{'bits per byte, median':<22}"
        f"{statistics.median(run['bits_per_byte'] for run in ours):>12.4f}"
        f"{statistics.median(run['bits_per_byte'] for run in theirs):>12.4f}"
    )
    print(f"{'whole run, median s':<22}{our_wall:>12.1f}{their_wall:>12.1f}")
    print(f"whole run, ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    print(
        f"past {TARGET} bits per byte at step {crossing['step']} ({crossing['bits_per_byte']:.3f} "
        f"on all held-out text, seed 1): after {', '.join(f'{share:.3f}' for share in past)} of "
        "nanoGPT's whole run, our start-up included"
    )
    print(f"ours: {first['threads']} threads, {first['precision']}")


def _subprocess(flag: str, seed: int, text: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, flag, str(seed), "--text", str(text)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
