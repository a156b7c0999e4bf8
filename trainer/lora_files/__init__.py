"""LoRA files: whose they are, what they hold, and the one form that every program reads. Knows no ComfyUI."""
