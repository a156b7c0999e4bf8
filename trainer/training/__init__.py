"""Training: from a Dataset to Checkpoints."""
