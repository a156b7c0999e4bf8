"""ComfyUI's way in. Imports nothing of ours before ComfyUI asks for the nodes, and logs its own failures whole."""

import logging

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """All nodes. ComfyUI keeps only one line of an error raised here, so the whole traceback is logged first."""
    try:
        from .nodes import ZImageLoraExtension

        extension = ZImageLoraExtension()
        for node in await extension.get_node_list():
            node.GET_SCHEMA()
        return extension
    except Exception:
        logging.getLogger("zimage_lora").exception("Z-Image LoRA Trainer could not be loaded")
        raise
