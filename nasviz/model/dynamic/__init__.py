"""Dynamic inference in torch: how a model is run under a policy."""
