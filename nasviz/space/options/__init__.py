"""The dynamic-inference options: one frozen dataclass a file, listed in `registry`."""
