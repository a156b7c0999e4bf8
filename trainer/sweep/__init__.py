"""Sweep: from Checkpoints to a grid of pictures, scores and a recommended checkpoint."""
