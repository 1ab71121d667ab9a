"""The Chinchilla scaling law: loss = E + A / N^α + B / D^β nats a token of N weights, D tokens.

Law: Hoffmann et al. 2022, arXiv:2203.15556 (approach 3). Constants: Besiroglu et al. 2024,
arXiv:2404.10102, who found that the published ones are not the fit that they were said to be, and
fitted the same data again. One set of constants serves the whole house: the prior of quality and
the tokens that a target loss takes.
"""

from __future__ import annotations

E = 1.8172
A, ALPHA = 482.01, 0.3478
B, BETA = 2085.43, 0.3658
