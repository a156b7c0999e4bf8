"""The library: from a folder of photos to a LoRA. Knows nothing of ComfyUI; importing it loads no torch."""
