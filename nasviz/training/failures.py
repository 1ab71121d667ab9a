"""Why a training run failed, in words that are stored with the trial."""

from __future__ import annotations

from nasviz.errors import RunError

OUT_OF_MEMORY = "out of memory"
NOT_A_NUMBER = "not a number"
PROCESS_DIED = "process died"


class TrainingError(RunError):
    """A run that could not go on; `reason` is a short, fixed phrase such as "out of memory"."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def not_a_number(step: int, rate: float) -> TrainingError:
    """Return the error for a loss that is NaN or infinite after `step` updates."""
    return TrainingError(
        f"the loss is not a number at step {step} (learning rate {rate:.3g}); lower the rate",
        NOT_A_NUMBER,
    )


def out_of_memory(error: BaseException) -> TrainingError | None:
    """Return the error to raise if `error` says that memory ran out, else None.

    On CPU torch reports it as a plain RuntimeError, so its text has to be read.
    """
    text = str(error)
    told = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if not told and "can't allocate memory" not in text and "not enough memory" not in text:
        return None
    return TrainingError(
        "memory ran out; use a smaller batch, gradient_accumulation, or "
        f"activation_checkpointing=True ({text.splitlines()[0] if text else 'no details'})",
        OUT_OF_MEMORY,
    )
