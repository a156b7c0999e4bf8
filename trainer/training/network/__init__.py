"""Network: what is trained inside the base model, and the file it becomes. Knows no photos."""
