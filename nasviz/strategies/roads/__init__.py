"""Two roads to a small model, compared: a trained one pruned, or one trained from new."""
