"""Report: a PhotoSet in words and as a picture. Judges nothing itself."""
