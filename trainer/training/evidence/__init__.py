"""Evidence: what held-out photos and losses say about the checkpoints of a run."""
