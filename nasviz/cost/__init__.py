"""What a candidate costs: parameters, FLOPs, bytes, seconds, joules. Numpy only; no torch."""
