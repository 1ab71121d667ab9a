"""The explorer: one state, and a panel a file."""
