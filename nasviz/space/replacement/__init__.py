"""Heterogeneous search of a trained model: which of its blocks to replace, and by what."""
