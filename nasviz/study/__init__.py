"""Trial records and their store, on Optuna storage. No torch."""
