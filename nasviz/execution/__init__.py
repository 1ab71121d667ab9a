"""Who runs trials: the warm worker process."""
