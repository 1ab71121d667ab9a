"""What each dynamic-inference option does to a cost: one file an option, listed in `options`."""
