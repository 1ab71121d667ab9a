"""Published hardware profiles: data only, each with its source.

Peaks are of dense products with fp32 accumulation (tensor cores' 16-bit figures; fp32 without
TF32, as PyTorch computes by default). Efficiencies are a convention, not published: large products
reach about 70% of the peak on a GPU, streams 80% of the bandwidth, and eager PyTorch launches an
operation every 5 µs; calibrating measures them instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from nasviz.cost.hardware import Hardware, Kind


def _profile(
    name: str,
    label: str,
    kind: Kind,
    teraflops: Mapping[str, float],
    *,
    gb_per_s: float,
    gigabytes: float,
    watts: float,
    source: str,
    **conventions: Any,
) -> Hardware:
    return Hardware(
        name=name,
        label=label,
        kind=kind,
        source=source,
        flops_per_s={precision: rate * 1e12 for precision, rate in teraflops.items()},
        bandwidth_bytes_per_s=gb_per_s * 1e9,
        memory_bytes=gigabytes * 1e9,
        power_w=watts,
        **conventions,
    )


_gpu = partial(_profile, queues_launches=True)
_cpu = partial(_profile, matmul_efficiency=0.6, bandwidth_efficiency=0.7, op_overhead_s=3e-6)

_APPLE_POWER = "power: Apple support, power consumption of the computer"

_ALL = (
    _gpu("a100-40-sxm", "NVIDIA A100 40 GB SXM", "data-centre",
         {"fp32": 19.5, "bf16": 312, "fp16": 312},
         gb_per_s=1555, gigabytes=40, watts=400,
         source="NVIDIA A100 Tensor Core GPU datasheet"),
    _gpu("a100-80-sxm", "NVIDIA A100 80 GB SXM", "data-centre",
         {"fp32": 19.5, "bf16": 312, "fp16": 312},
         gb_per_s=2039, gigabytes=80, watts=400,
         source="NVIDIA A100 Tensor Core GPU datasheet"),
    _gpu("h100-sxm", "NVIDIA H100 SXM", "data-centre",
         {"fp32": 67, "bf16": 989.4, "fp16": 989.4, "fp8": 1978.9},
         gb_per_s=3350, gigabytes=80, watts=700,
         source="NVIDIA H100 Tensor Core GPU datasheet (dense: half of the sparse figures)"),
    _gpu("h100-pcie", "NVIDIA H100 PCIe", "data-centre",
         {"fp32": 51.2, "bf16": 756, "fp16": 756, "fp8": 1513},
         gb_per_s=2000, gigabytes=80, watts=350,
         source="NVIDIA H100 Tensor Core GPU architecture whitepaper and PCIe product brief"),
    _gpu("h200-sxm", "NVIDIA H200 SXM", "data-centre",
         {"fp32": 67, "bf16": 989.4, "fp16": 989.4, "fp8": 1978.9},
         gb_per_s=4800, gigabytes=141, watts=700,
         source="NVIDIA H200 Tensor Core GPU datasheet (dense: half of the sparse figures)"),
    _gpu("b200", "NVIDIA B200 (HGX)", "data-centre",
         {"fp32": 75, "bf16": 2250, "fp16": 2250, "fp8": 4500},
         gb_per_s=7700, gigabytes=180, watts=1000,
         source="NVIDIA HGX B200 datasheet, per GPU (dense)"),
    _gpu("l4", "NVIDIA L4", "data-centre",
         {"fp32": 30.3, "bf16": 121, "fp16": 121, "fp8": 242.5},
         gb_per_s=300, gigabytes=24, watts=72,
         source="NVIDIA L4 Tensor Core GPU datasheet (dense: half of the sparse figures)"),
    _gpu("l40s", "NVIDIA L40S", "data-centre",
         {"fp32": 91.6, "bf16": 362, "fp16": 362, "fp8": 733},
         gb_per_s=864, gigabytes=48, watts=350,
         source="NVIDIA L40S datasheet"),
    _gpu("a10", "NVIDIA A10", "data-centre",
         {"fp32": 31.2, "bf16": 125, "fp16": 125},
         gb_per_s=600, gigabytes=24, watts=150,
         source="NVIDIA A10 datasheet"),
    _gpu("t4", "NVIDIA T4", "data-centre", {"fp32": 8.1, "fp16": 65},
         gb_per_s=300, gigabytes=16, watts=70,
         source="NVIDIA T4 datasheet (no bf16 units)"),
    _gpu("v100-sxm2", "NVIDIA V100 32 GB SXM2", "data-centre", {"fp32": 15.7, "fp16": 125},
         gb_per_s=900, gigabytes=32, watts=300,
         source="NVIDIA V100 datasheet (no bf16 units)"),
    _gpu("mi300x", "AMD Instinct MI300X", "data-centre",
         {"fp32": 163.4, "bf16": 1307.4, "fp16": 1307.4, "fp8": 2614.9},
         gb_per_s=5300, gigabytes=192, watts=750,
         source="AMD Instinct MI300X data sheet"),
    _cpu("xeon-8480", "Intel Xeon Platinum 8480+", "data-centre",
         {"fp32": 7.17, "bf16": 229.4},
         gb_per_s=307.2, gigabytes=512, watts=350,
         source="Intel ARK: 56 cores, 2.0 GHz base, 8 × DDR5-4800, 350 W; 64 fp32 and 2,048 "
         "bf16 (AMX) operations a cycle and core"),
    _gpu("rtx-3090", "NVIDIA GeForce RTX 3090", "desktop",
         {"fp32": 35.6, "bf16": 71, "fp16": 71},
         gb_per_s=936, gigabytes=24, watts=350,
         source="NVIDIA Ampere GA102 GPU architecture whitepaper"),
    _gpu("rtx-4090", "NVIDIA GeForce RTX 4090", "desktop",
         {"fp32": 82.6, "bf16": 165.2, "fp16": 165.2, "fp8": 330.3},
         gb_per_s=1008, gigabytes=24, watts=450,
         source="NVIDIA Ada GPU architecture whitepaper"),
    _gpu("rtx-5090", "NVIDIA GeForce RTX 5090", "desktop",
         {"fp32": 104.8, "bf16": 209.5, "fp16": 209.5, "fp8": 419},
         gb_per_s=1792, gigabytes=32, watts=575,
         source="NVIDIA RTX Blackwell GPU architecture whitepaper"),
    _gpu("m2-ultra", "Apple M2 Ultra (76-core GPU)", "desktop",
         {"fp32": 27.2, "fp16": 27.2},
         gb_per_s=800, gigabytes=192, watts=295,
         source=f"Apple newsroom 2023-06-05 (bandwidth, memory); 9,728 lanes × 2 × 1.398 GHz; "
         f"{_APPLE_POWER} (Mac Studio)"),
    _cpu("ryzen-7950x", "AMD Ryzen 9 7950X", "desktop", {"fp32": 2.30},
         gb_per_s=83.2, gigabytes=128, watts=170,
         source="AMD product page: 16 cores, 4.5 GHz base, 2 × DDR5-5200, 170 W; 32 fp32 "
         "operations a cycle and core"),
    _gpu("m1", "Apple M1 (8-core GPU)", "laptop", {"fp32": 2.6, "fp16": 2.6},
         gb_per_s=68.25, gigabytes=16, watts=39,
         source=f"Apple newsroom 2020-11-10 (2.6 TFLOPS); LPDDR4X-4266, 128 bits; {_APPLE_POWER} "
         "(Mac mini)"),
    _gpu("m1-max", "Apple M1 Max (32-core GPU)", "laptop", {"fp32": 10.4, "fp16": 10.4},
         gb_per_s=400, gigabytes=64, watts=115,
         source=f"Apple newsroom 2021-10-18 (10.4 TFLOPS, 400 GB/s); {_APPLE_POWER} (Mac Studio)"),
    _gpu("m2-max", "Apple M2 Max (38-core GPU)", "laptop", {"fp32": 13.6, "fp16": 13.6},
         gb_per_s=400, gigabytes=96, watts=145,
         source=f"Apple newsroom 2023-01-17 (400 GB/s, 96 GB); 4,864 lanes × 2 × 1.398 GHz; "
         f"{_APPLE_POWER} (Mac Studio)"),
    _cpu("laptop-cpu", "An ordinary laptop's CPU", "laptop", {"fp32": 0.32},
         gb_per_s=40, gigabytes=16, watts=28,
         source="Round figures, no product: 4 cores × 2.5 GHz × 32 fp32 operations a cycle, two "
         "channels of DDR4-3200 (51.2 GB/s at the pins), a 28 W processor"),
    _gpu("jetson-agx-orin", "NVIDIA Jetson AGX Orin 64 GB", "board",
         {"fp32": 5.3, "fp16": 42.5, "bf16": 42.5},
         gb_per_s=204.8, gigabytes=64, watts=60,
         source="NVIDIA Jetson AGX Orin series technical brief (fp16: a quarter of the 170 "
         "sparse int8 TOPS)"),
    _gpu("jetson-orin-nano", "NVIDIA Jetson Orin Nano 8 GB", "board", {"fp32": 1.28, "fp16": 10.2},
         gb_per_s=68, gigabytes=8, watts=15,
         source="NVIDIA Jetson Orin Nano series datasheet: 1,024 cores at 625 MHz, 15 W "
         "(fp16: a quarter of the sparse int8 TOPS of the GPU)"),
    _cpu("raspberry-pi-5", "Raspberry Pi 5 8 GB", "board", {"fp32": 0.1536},
         gb_per_s=17.1, gigabytes=8, watts=12,
         source="Raspberry Pi 5 product brief: 4 Cortex-A76 at 2.4 GHz, LPDDR4X-4267 on 32 bits; "
         "16 fp32 operations a cycle and core; about 12 W under load", op_overhead_s=10e-6),
    _gpu("iphone-15-pro", "Apple A17 Pro (iPhone 15 Pro)", "phone", {"fp32": 2.15, "fp16": 2.15},
         gb_per_s=51.2, gigabytes=8, watts=8,
         source="LPDDR5-6400 on 64 bits; 6-core GPU taken as 768 lanes × 2 × 1.4 GHz, which "
         "the maker does not publish, nor the power: 8 W assumed"),
    _gpu("snapdragon-8-gen-3", "Qualcomm Snapdragon 8 Gen 3", "phone",
         {"fp32": 2.77, "fp16": 2.77},
         gb_per_s=76.8, gigabytes=12, watts=8,
         source="Qualcomm product brief (LPDDR5X at 4,800 MHz on 64 bits); Adreno 750 taken as "
         "1,536 lanes × 2 × 0.903 GHz, which the maker does not publish, nor the power: 8 W "
         "assumed"),
)  # fmt: skip

PROFILES: Mapping[str, Hardware] = MappingProxyType({each.name: each for each in _ALL})
