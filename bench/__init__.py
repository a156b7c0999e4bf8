"""Measurements of the product's own training step: speed and memory, each beside a plain loop. Never published."""
