"""How good a candidate is, and how sure we are: records, bits per byte, the prior."""
