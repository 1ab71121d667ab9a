"""The transformer in torch: forward, generation, export."""
