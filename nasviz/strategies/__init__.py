"""Search strategies over a space, asked and told through a study."""
