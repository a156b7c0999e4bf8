"""Scoring: what a sweep's pictures say about its checkpoints, and which one that speaks for."""
