"""Export: a dataset as a folder that other programs train from."""
