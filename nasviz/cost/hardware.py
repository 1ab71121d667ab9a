"""`Hardware`: what a device can do, published or measured here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from nasviz.cost.measured import Measured
from nasviz.cost.workload import PRECISIONS
from nasviz.errors import InputError, check_names, unknown_name

Kind = Literal["phone", "board", "laptop", "desktop", "data-centre", "calibrated"]
KINDS = ("phone", "board", "laptop", "desktop", "data-centre", "calibrated")

# What computes a precision that the device has no units for: weights stored in few bits are
# widened to 16 bits, and 16 bits to 32.
_STAND_INS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fp32": (),
        "bf16": ("fp32",),
        "fp16": ("fp32",),
        "fp8": ("bf16", "fp16", "fp32"),
        "int8": ("bf16", "fp16", "fp32"),
        "int4": ("bf16", "fp16", "fp32"),
    }
)


@dataclass(frozen=True)
class Hardware:
    """One device.

    flops_per_s: peak of dense matrix products by precision, without sparsity.
    bandwidth_bytes_per_s, memory_bytes: of the memory that weights lie in.
    power_w: what the device draws when busy (its published limit).
    matmul_efficiency, bandwidth_efficiency: share of the peaks that large operations reach.
    op_overhead_s: time to launch one operation from Python.
    queues_launches: whether the host launches ahead while the device computes (GPUs do), so that
        the longer of the two counts and not their sum.
    source: where the figures come from.
    measured: what calibration found on this machine; it takes the published figures' place.

    Raises `InputError` for figures that no device has.
    """

    name: str
    label: str
    kind: Kind
    flops_per_s: Mapping[str, float] = field(hash=False)
    bandwidth_bytes_per_s: float
    memory_bytes: float
    power_w: float
    source: str
    matmul_efficiency: float = 0.7
    bandwidth_efficiency: float = 0.8
    op_overhead_s: float = 5e-6
    queues_launches: bool = False
    measured: Measured | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("kind of hardware", self.kind, KINDS)
        if not isinstance(self.flops_per_s, Mapping) or "fp32" not in self.flops_per_s:
            raise InputError(f"{self.name}: flops_per_s needs an 'fp32' rate")
        for precision, rate in self.flops_per_s.items():
            if precision not in PRECISIONS:
                raise unknown_name("precision", precision, PRECISIONS)
            _check_positive(f"{self.name}: flops_per_s[{precision!r}]", rate)
        for name in ("bandwidth_bytes_per_s", "memory_bytes", "power_w", "op_overhead_s"):
            _check_positive(f"{self.name}: {name}", getattr(self, name))
        for name in ("matmul_efficiency", "bandwidth_efficiency"):
            _check_positive(f"{self.name}: {name}", getattr(self, name), most=1.0)
        object.__setattr__(self, "flops_per_s", MappingProxyType(dict(self.flops_per_s)))

    @classmethod
    def named(cls, name: str) -> Hardware:
        """Return the published profile of that name, or the calibrated `this-machine`.

        Raises `InputError` with the nearest name for an unknown one, and for `this-machine`
        before it was calibrated.
        """
        from nasviz.cost.calibrated import THIS_MACHINE, load_calibrated
        from nasviz.cost.profiles import PROFILES

        key = str(name).strip().lower()
        if key == THIS_MACHINE:
            found = load_calibrated()
            if found is None:
                raise InputError(
                    "this machine is not calibrated yet: run `nasviz hardware --calibrate` or "
                    "Hardware.calibrate()"
                )
            return found
        if key not in PROFILES:
            raise unknown_name("hardware", name, (*PROFILES, THIS_MACHINE))
        return PROFILES[key]

    @classmethod
    def default(cls) -> Hardware:
        """Return the calibrated profile of this machine, else that of an ordinary laptop CPU."""
        from nasviz.cost.calibrated import load_calibrated

        return load_calibrated() or cls.named("laptop-cpu")

    @classmethod
    def calibrate(cls, *, threads: int | None = None) -> Hardware:
        """Measure this machine in a fresh process (about 20 s), keep and return its profile.

        Progress goes to stderr. Raises `RunError` where measuring fails.
        """
        from nasviz.cost.calibrated import calibrate

        return calibrate(threads=threads)

    def computed_in(self, precision: str) -> str:
        """Return the precision whose rates serve `precision` on this device.

        Its own where the device has units for it; otherwise what stands in: 16 bits for fp8, int8
        and int4, and fp32 for 16 bits.
        """
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, PRECISIONS)
        # int8 and int4 are weights only: the arithmetic is in 16 bits even where int8 units exist.
        own = () if precision in ("int8", "int4") else (precision,)
        known = (name for name in (*own, *_STAND_INS[precision]) if name in self.flops_per_s)
        return next(known, "fp32")

    def peak_flops_per_s(self, precision: str) -> float:
        """Return the peak rate at which products in `precision` are computed."""
        return self.flops_per_s[self.computed_in(precision)]

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name."""
        data: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        data["flops_per_s"] = dict(self.flops_per_s)
        data["measured"] = self.measured.to_json() if self.measured else None
        return data

    @classmethod
    def from_json(cls, data: object) -> Hardware:
        """Return the hardware that `data` describes; raises `InputError` where it is wrong."""
        if not isinstance(data, Mapping):
            raise InputError(f"hardware is an object of figures, not {data!r}")
        known = [each.name for each in fields(cls)]
        check_names("hardware figure", data, known)
        required = known[: known.index("matmul_efficiency")]
        missing = [name for name in required if name not in data]
        if missing:
            raise InputError(f"the hardware lacks {', '.join(missing)}")
        measured = data.get("measured")
        return cls(**{**data, "measured": Measured.from_json(measured) if measured else None})


def _check_positive(place: str, value: object, most: float = math.inf) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= most or not math.isfinite(value):  # type: ignore[operator, arg-type]
        bound = f" up to {most:g}" if math.isfinite(most) else ""
        raise InputError(f"{place}={value!r} is not a positive number{bound}")
