"""How much each part of a model matters, measured on text: a file a method."""
