"""Python that makes again what is on the screen."""

from __future__ import annotations

from typing import Any

from nasviz.cost.workload import Workload
from nasviz.space import named_spaces
from nasviz.space.architecture import REQUIRED, Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.ranges import full_range
from nasviz.widgets.state import ExplorerState


def architecture_code(architecture: Architecture) -> str:
    """Return the call that makes `architecture`: required sizes, and what differs from defaults."""
    given: dict[str, Any] = {name: getattr(architecture, name) for name in REQUIRED}
    for name, value in architecture.to_json().items():
        if name not in given and getattr(_with(given), name) != value:
            given[name] = value
    lines = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    return f"nasviz.Architecture(\n{lines})"


def _with(given: dict[str, Any]) -> Architecture:
    # A head size that doesn't divide needs naming before the rest can be compared with defaults.
    if given["d_model"] % given["n_heads"] and "head_dim" not in given:
        return Architecture(**given, head_dim=2)
    return Architecture(**given)


def candidate_code(candidate: Candidate) -> str:
    """Return a cell that makes `candidate` and estimates its cost."""
    return (
        "import nasviz\n\n"
        f"architecture = {architecture_code(candidate.architecture)}\n"
        "candidate = nasviz.Candidate(architecture)\n"
        "nasviz.estimate(candidate, nasviz.Workload())\n"
    )


def explorer_code(state: ExplorerState) -> str:
    """Return a cell that opens the explorer as it stands: space, ranges, limits, selection."""
    lines = ["import nasviz", "", f"space = {space_code(state)}", ""]
    arguments = ["space"]
    if state.workload != Workload():
        arguments.append(f"workload={workload_code(state.workload)}")
    if state.hardware is not None and state.hardware.measured is None:
        arguments.append(f"hardware=nasviz.Hardware.named({state.hardware.name!r})")
    if state.corpus != "python":
        arguments.append(f"corpus={state.corpus!r}")
    if state.study.url:
        arguments.append(f"study=nasviz.Study.open({state.study.url!r}, {state.study.name!r})")
    lines.append(f"explorer = nasviz.Explorer({', '.join(arguments)})")
    narrowed = {
        dimension.name: state.ranges[dimension.name]
        for dimension in state.space.dimensions
        if state.ranges[dimension.name] != full_range(dimension)
    }
    if narrowed:
        lines.append(f"explorer.ranges = {narrowed!r}")
    if state.limits:
        lines.append(f"explorer.limits = {state.limits!r}")
    if state.selection is not None:
        architecture = architecture_code(state.selection.architecture)
        lines.append(f"explorer.selection = nasviz.Candidate({architecture})")
    lines.append("explorer")
    return "\n".join(lines) + "\n"


def space_code(state: ExplorerState) -> str:
    """Return the call that makes the explorer's space."""
    name = state.space.name
    if name in named_spaces.names() and state.space == SearchSpace.named(name):
        return f"nasviz.SearchSpace.{name}()"
    return f"nasviz.SearchSpace.from_json({state.space.to_json()!r})"


def workload_code(workload: Workload) -> str:
    """Return the call that makes `workload`: what differs from the defaults."""
    plain = Workload().to_json()
    given = {name: value for name, value in workload.to_json().items() if value != plain[name]}
    return f"nasviz.Workload({', '.join(f'{name}={value!r}' for name, value in given.items())})"
