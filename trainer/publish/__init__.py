"""Publish: a folder with a LoRA, its pictures and its card, ready to be put on a hub. Knows no ComfyUI."""
