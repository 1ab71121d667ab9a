"""Scoring text and measuring real time, in torch."""
