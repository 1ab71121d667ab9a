"""Python that makes again what is on the screen."""

from __future__ import annotations

from typing import Any

from nasviz.cost.workload import Workload
from nasviz.space import named_spaces
from nasviz.space.architecture import NAMES, REQUIRED, Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.registry import OPTIONS, setting_fields
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.option_space import brought_by, option_of, with_mode
from nasviz.widgets.ranges import full_range
from nasviz.widgets.state import ExplorerState


def architecture_code(architecture: Architecture) -> str:
    """Return the call that makes `architecture`: required sizes, and what differs from defaults."""
    given: dict[str, Any] = {name: getattr(architecture, name) for name in REQUIRED}
    for name in NAMES:
        value = getattr(architecture, name)
        if name not in given and getattr(_with(given), name) != value:
            given[name] = value
    lines = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    if architecture.layer_sizes:
        layers = "".join(f"        {each.to_json()!r},\n" for each in architecture.layer_sizes)
        lines += f"    layer_sizes=[\n{layers}    ],\n"
    return f"nasviz.Architecture(\n{lines})"


def _with(given: dict[str, Any]) -> Architecture:
    # A head size that doesn't divide needs naming before the rest can be compared with defaults.
    if given["d_model"] % given["n_heads"] and "head_dim" not in given:
        return Architecture(**given, head_dim=2)
    return Architecture(**given)


def candidate_code(candidate: Candidate) -> str:
    """Return a cell that makes `candidate` and estimates its cost."""
    lines = ["import nasviz", "", f"architecture = {architecture_code(candidate.architecture)}"]
    given = "architecture"
    if candidate.inference:
        lines.append(f"inference = {policy_code(candidate.inference)}")
        given += ", inference"
    lines += [f"candidate = nasviz.Candidate({given})"]
    lines += ["nasviz.estimate(candidate, nasviz.Workload())"]
    return "\n".join(lines) + "\n"


def policy_code(policy: InferencePolicy) -> str:
    """Return the call that makes `policy`: each option with the settings that aren't usual."""
    given = {
        option.NAME: {
            field.name: option.to_json()[field.name]
            for place, field in enumerate(option.FIELDS)
            if place == 0 or getattr(option, field.name) != (() if field.is_list else field.default)
        }
        for option in policy.options
    }
    return f"nasviz.InferencePolicy.from_json({given!r})"


def explorer_code(state: ExplorerState) -> str:
    """Return a cell that opens the explorer as it stands: space, ranges, limits, selection."""
    lines = ["import nasviz"]
    if any(option_of(name) for name in state.space.names):
        lines.append("from nasviz.space.dimensions import Choice, Real")
    lines += ["", f"space = {space_code(state.space)}", ""]
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
        given = architecture_code(state.selection.architecture)
        if state.selection.inference:
            given += f", {policy_code(state.selection.inference)}"
        lines.append(f"explorer.selection = nasviz.Candidate({given})")
    lines.append("explorer")
    return "\n".join(lines) + "\n"


def space_code(space: SearchSpace) -> str:
    """Return the calls that make a space: its sizes, then each option of inference in it."""
    sizes, calls = space, []
    for kind in OPTIONS:
        # Those that are the space's own are among its sizes.
        brought = [each.name for each in brought_by(kind) if each in space.dimensions]
        for name in (kind.NAME, *brought, *(field.name for field in setting_fields(kind))):
            if name in space.base:
                calls.append(f".fixed({name!r}, {space.base[name]!r})")
            elif name in space.names:
                calls.append(f".with_dimension({space.dimension(name)!r})")
        sizes = with_mode(sizes, kind, "off")
    if sizes.name in named_spaces.names() and sizes == SearchSpace.named(sizes.name):
        made = f"nasviz.SearchSpace.{sizes.name}()"
    else:
        made = f"nasviz.SearchSpace.from_json({sizes.to_json()!r})"
    if not calls:
        return made
    return "\n".join(["(", f"    {made}", *(f"    {call}" for call in calls), ")"])


def workload_code(workload: Workload) -> str:
    """Return the call that makes `workload`: what differs from the defaults."""
    plain = Workload().to_json()
    given = {name: value for name, value in workload.to_json().items() if value != plain[name]}
    return f"nasviz.Workload({', '.join(f'{name}={value!r}' for name, value in given.items())})"
