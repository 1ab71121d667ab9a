"""How much worse a model gets when one of its blocks is replaced."""
