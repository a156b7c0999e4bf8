"""Data: photos and captions as a step needs them. Knows no model beyond its latents."""
