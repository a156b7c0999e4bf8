"""Photos: from a folder to a PhotoSet, and from a PhotoSet to cleaned working copies."""
