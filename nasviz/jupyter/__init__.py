"""The IPython extension and the launcher's tile."""
