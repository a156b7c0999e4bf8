"""Captions: from a PhotoSet to a Dataset."""
