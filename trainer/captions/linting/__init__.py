"""Linting: what captions should say otherwise, and the fixes that one click applies."""
