"""The training settings of a plan, in the words of the field catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nasviz.space.field import Field
from nasviz.space.fields import field_named

_MUON = "Jordan et al. 2024, Muon; Liu et al. 2025, arXiv:2502.16982"
_ZERO = "Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054"
_MUP = "Yang et al. 2022, Tensor Programs V, arXiv:2203.03466; Dey et al. 2025, arXiv:2505.01618"
_DECAY = "Hu et al. 2024, MiniCPM, arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392"
_DISTILLATION = "Hinton et al. 2015, arXiv:1503.02531; Muralidharan et al. 2024, arXiv:2407.14679"
_MINITRON = "Muralidharan et al. 2024, Minitron, arXiv:2407.14679"
_CHINCHILLA = "Hoffmann et al. 2022, arXiv:2203.15556"

BUDGET_FIELDS: tuple[Field, ...] = (
    Field(
        "tokens",
        "Training tokens",
        "integer",
        "Tokens to train on, counting repeats of a small text.",
        _CHINCHILLA,
        1,
        10**15,
        unit="tokens",
    ),
    Field(
        "bytes",
        "Training text",
        "integer",
        "Bytes of text to train on: the fair budget across vocabularies.",
        _CHINCHILLA,
        1,
        10**16,
        unit="bytes",
    ),
    Field(
        "steps",
        "Steps",
        "integer",
        "Updates of the weights.",
        _CHINCHILLA,
        1,
        10**9,
        unit="steps",
    ),
    Field(
        "seconds",
        "Training time",
        "real",
        "Time to train for; how many steps fit is measured on the first ones.",
        "Izsak et al. 2021, 24 hours of BERT, arXiv:2104.07705",
        0.1,
        10**8,
        unit="s",
    ),
    Field(
        "flops",
        "Training compute",
        "real",
        "Floating-point operations to spend, forward and backward.",
        _CHINCHILLA,
        1.0,
        1e30,
        unit="FLOP",
    ),
)

SETTING_FIELDS: tuple[Field, ...] = (
    field_named("batch_size"),
    Field(
        "gradient_accumulation", "Accumulation", "integer",
        "Parts a batch is split into, one after the other: less memory, the same update.",
        "DeepSpeed, gradient_accumulation_steps", 1, 65_536, default=1, unit="parts",
    ),
    Field(
        "optimizer", "Optimizer", "choice",
        "Muon turns each matrix's update into an orthogonal one, and leaves embeddings, head and "
        "norms to AdamW; adamw uses AdamW for everything.",
        f"{_MUON}; Loshchilov & Hutter 2019, arXiv:1711.05101",
        choices=("muon", "adamw"), default="muon",
    ),
    field_named("learning_rate"),
    Field(
        "learning_rate_rule", "Learning-rate rule", "choice",
        "How the rate follows from the sizes when none is given: one for all, by width, or by "
        "width and depth.",
        _MUP, choices=("standard", "width", "width_depth"), default="width",
    ),
    Field(
        "rate_share", "Share of the rate", "real",
        "Multiplies every learning rate. By itself 1; where a pruned model heals, the root of what "
        "the cut cost in bits per byte, a tenth at the least, and 1 for adapters.",
        "Measured: CHANGELOG.md, at which rate a cut model heals", 1e-4, 100.0,
    ),
    field_named("weight_decay"),
    Field(
        "warmup_share", "Warm-up share", "real",
        "Share of the steps in which the rate rises from zero.", _DECAY, 0.0, 1.0, default=0.01,
    ),
    Field(
        "decay_share", "Decay share", "real",
        "Share of the steps, the last ones, in which the rate falls linearly to zero.", _DECAY,
        0.0, 1.0, default=0.5,
    ),
    Field(
        "clipping", "Gradient clipping", "real",
        "Largest norm of all gradients together; 0 clips nothing. Muon's updates have one size.",
        "Pascanu et al. 2013, arXiv:1211.5063", 0.0, 1e6, default=0.0,
    ),
    Field(
        "exit_loss", "Exit loss", "real",
        "Weight of the early exits' losses together, beside 1 for the whole model's. Counts where "
        "a candidate has early exits.",
        "Schuster et al. 2022, CALM, arXiv:2207.07061; Elhoushi et al. 2024, LayerSkip, "
        "arXiv:2404.16710", 0.0, 100.0, default=1.0,
    ),
    Field(
        "balance_loss", "Load balancing", "real",
        "Weight of the loss that spreads tokens evenly over experts, in each layer; 0 leaves "
        "routers to themselves. Counts where a candidate has experts.",
        "Fedus et al. 2021, Switch Transformer, arXiv:2101.03961", 0.0, 100.0, default=0.01,
    ),
    Field(
        "layer_dropout", "Layer dropout", "real",
        "Chance that a sequence skips the last layer in training, less for earlier ones: the "
        "model learns to do without them.",
        "Fan et al. 2020, LayerDrop, arXiv:1909.11556; Elhoushi et al. 2024, LayerSkip, "
        "arXiv:2404.16710", 0.0, 0.9, default=0.0,
    ),
    Field(
        "distillation", "Distillation", "real",
        "How much of what a pruned model learns is what its parent says of every token, and not "
        "the text: 1 is the parent alone.", _DISTILLATION, 0.0, 1.0, default=0.0,
    ),
    Field(
        "temperature", "Distillation temperature", "real",
        "Above 1 the parent's unlikely tokens count for more.",
        _DISTILLATION, 0.1, 100.0, default=1.0,
    ),
    Field(
        "hidden_distillation", "Distillation of states", "real",
        "Weight of the angle between a pruned model's states after each layer and its parent's.",
        _MINITRON, 0.0, 100.0, default=0.0,
    ),
    Field(
        "quantization_aware", "Quantisation-aware", "switch",
        "Learns with weights rounded as the policy's weight quantisation rounds them, so that they "
        "lose less by it; what is left is not rounded, and no size changes.",
        "Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018, arXiv:1712.05877", default=False,
    ),
    Field(
        "lora_rank", "Adapter rank", "integer",
        "A pruned model's weights stay, and each matrix learns a correction of this rank; 0 lets "
        "all weights learn.",
        "Hu et al. 2022, LoRA, arXiv:2106.09685", 0, 4096, default=0,
    ),
    Field(
        "precision", "Precision", "choice",
        "Number format of the computation; auto is bf16 on a GPU that computes it, else fp32.",
        "Micikevicius et al. 2018, arXiv:1710.03740",
        choices=("auto", "fp32", "bf16", "fp16"), default="auto",
    ),
    Field(
        "zero_stage", "ZeRO stage", "integer",
        "What the processes share out among them: 1 the optimizer's state, 2 gradients too, 3 "
        "weights too. 0 keeps everything everywhere and is the fastest on one device.",
        _ZERO, 0, 3, default=0,
    ),
    Field(
        "offload", "Offload", "switch",
        "Keeps the optimizer's state in the computer's memory instead of the accelerator's.",
        "Ren et al. 2021, ZeRO-Offload, arXiv:2101.06840", default=False,
    ),
    Field(
        "activation_checkpointing", "Recompute activations", "switch",
        "Computes each layer a second time on the way back instead of remembering it: less "
        "memory, a third more compute.",
        "Chen et al. 2016, arXiv:1604.06174", default=False,
    ),
    Field(
        "devices", "Devices", "integer", "Processes that share a batch, one a device.",
        _ZERO, 1, 4096, default=1,
    ),
    Field(
        "evaluation_every", "Evaluate every", "integer",
        "Steps between two looks at held-out text; by itself, eight looks a run.",
        "Karpathy 2022, nanoGPT", 1, 10**9, unit="steps",
    ),
    Field(
        "measured", "Measured", "choice",
        "What is measured of the trained model: everything, or its quality alone, which a "
        "comparison of many small models needs and which takes little time.",
        "Dodge et al. 2019, Show Your Work, arXiv:1909.03004",
        choices=("everything", "quality"), default="everything",
    ),
    Field(
        "seed", "Seed", "integer",
        "Fixes the first weights and the order of the text.",
        "Bouthillier et al. 2021, arXiv:2103.03098", 0, 2**31 - 1, default=0,
    ),
    Field(
        "threads", "Threads", "integer",
        "Processor threads to compute with; by itself, as many as are idle.",
        "torch.set_num_threads", 1, 4096,
    ),
)  # fmt: skip

BUDGETS: tuple[str, ...] = tuple(field.name for field in BUDGET_FIELDS)
PLAN_FIELDS: Mapping[str, Field] = MappingProxyType(
    {field.name: field for field in BUDGET_FIELDS + SETTING_FIELDS}
)
