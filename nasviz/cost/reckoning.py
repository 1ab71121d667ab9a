"""`Reckoning`: the costs of what is running, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nasviz.cost.dynamic.beside import flops_with, latency_with, memory_with
from nasviz.cost.dynamic.running import Running
from nasviz.cost.energy import Energy, predict_energy
from nasviz.cost.flops import Flops, count_flops
from nasviz.cost.hardware import Hardware
from nasviz.cost.latency import Latency, predict_latency
from nasviz.cost.lifetime import Lifetime, predict_lifetime
from nasviz.cost.memory import Memory, count_memory
from nasviz.cost.parameters import Parameters, count_parameters
from nasviz.cost.workload import Workload


@dataclass(frozen=True, eq=False)
class Reckoning:
    """The groups of costs of what is `running`, each computed when it is first asked for."""

    running: Running
    workload: Workload
    hardware: Hardware

    @cached_property
    def parameters(self) -> Parameters:
        """Counts of weights; active are those that a token uses under the policy."""
        used = self.running.sizes.experts_per_token
        return count_parameters(self.running.stored, self.running.additions, used)

    @cached_property
    def flops(self) -> Flops:
        """Floating-point operations."""
        beside = self.running.beside
        own = count_flops(self.running, self.workload)
        if beside is None:
            return own
        return flops_with(own, count_flops(beside.running, self.workload), beside.on)

    @cached_property
    def memory(self) -> Memory:
        """Bytes."""
        beside = self.running.beside
        own = count_memory(self.running, self.parameters, self.workload)
        if beside is None:
            return own
        other = count_memory(beside.running, self.parameters, self.workload)
        return memory_with(own, other, beside.on)

    @cached_property
    def latency(self) -> Latency:
        """Seconds."""
        beside = self.running.beside
        own = predict_latency(self.running, self.workload, self.hardware)
        if beside is None:
            return own
        other = predict_latency(beside.running, self.workload, self.hardware)
        return latency_with(own, other, beside.on, self.workload)

    @cached_property
    def energy(self) -> Energy:
        """Joules."""
        return predict_energy(self.latency, self.workload, self.hardware)

    @cached_property
    def trained(self) -> Parameters:
        """Counts of weights; active are those that a token uses in training."""
        return count_parameters(self.running.stored, self.running.additions)

    @cached_property
    def lifetime(self) -> Lifetime:
        """Training once and serving every request."""
        return predict_lifetime(self.trained, self.flops, self.energy, self.workload, self.hardware)
