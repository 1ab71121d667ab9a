"""DeepSpeed training: the plan, the recipe, the trainer."""
