"""`nasviz hardware`: the devices that costs can be asked for, and calibrating this one."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from nasviz.commands.aligned import aligned

if TYPE_CHECKING:
    from nasviz.cost.hardware import Hardware

HELP = """List the hardware profiles, show one, or measure this machine.

With --calibrate this machine is measured (about 20 s) and kept as `this-machine`, which is then
the default of every cost."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this profile only")
    parser.add_argument("--calibrate", action="store_true", help="measure this machine first")
    parser.add_argument("--json", action="store_true", help="every figure, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the profiles; returns 0. Raises `InputError` for an unknown name."""
    from nasviz.cost.calibrated import THIS_MACHINE, load_calibrated
    from nasviz.cost.hardware import Hardware
    from nasviz.cost.profiles import PROFILES
    from nasviz.errors import InputError

    if arguments.calibrate:
        if arguments.name not in (None, THIS_MACHINE):
            raise InputError(
                f"--calibrate measures this machine, not {arguments.name!r}; leave the name out"
            )
        rows = [Hardware.calibrate()]
    elif arguments.name is not None:
        rows = [Hardware.named(arguments.name)]
    else:
        here = load_calibrated()
        rows = [*([here] if here else []), *PROFILES.values()]
        if here is None:
            print("this machine is not calibrated: nasviz hardware --calibrate", file=sys.stderr)
    single = arguments.calibrate or arguments.name is not None
    if arguments.json:
        data = [row.to_json() for row in rows]
        print(json.dumps(data[0] if single else data, indent=2, ensure_ascii=False))
    elif single:
        print(_card(rows[0]))
    else:
        print(_table(rows))
    return 0


def _table(rows: list[Hardware]) -> str:
    heads = ("name", "device", "kind", "fp32", "16 bits", "bandwidth", "memory", "power")
    lines = [heads, *(_line(row) for row in rows)]
    return aligned(lines, right=range(3, len(heads)))


def _line(row: Hardware) -> tuple[str, ...]:
    from nasviz.cost.units import printed

    return (
        row.name,
        row.label,
        row.kind,
        printed(row.flops_per_s["fp32"], "FLOP/s", 3),
        _sixteen_bits(row),
        printed(row.bandwidth_bytes_per_s, "B/s", 3),
        printed(row.memory_bytes, "B", 3),
        printed(row.power_w, "W", 3),
    )


def _sixteen_bits(row: Hardware) -> str:
    from nasviz.cost.units import printed

    rates = [row.flops_per_s[name] for name in ("bf16", "fp16") if name in row.flops_per_s]
    return printed(max(rates), "FLOP/s", 3) if rates else "–"


def _card(row: Hardware) -> str:
    from nasviz.cost.units import printed

    figures: dict[str, str] = {"kind": row.kind}
    for precision, rate in row.flops_per_s.items():
        figures[precision] = printed(rate, "FLOP/s", 3)
    figures |= {
        "bandwidth": printed(row.bandwidth_bytes_per_s, "B/s", 3),
        "memory": printed(row.memory_bytes, "B", 3),
        "power": printed(row.power_w, "W", 3),
        "source": row.source,
    }
    lines = [f"{row.name}: {row.label}"]
    return "\n".join([*lines, *(f"  {label:<10} {value}" for label, value in figures.items())])
