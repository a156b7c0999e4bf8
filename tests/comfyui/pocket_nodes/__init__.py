"""Test-only node pack: loads the pocket model into a real ComfyUI and looks at what the nodes did. Never published."""

from comfy_api.latest import ComfyExtension, io

from .loaders import PocketClipLoader, PocketModelLoader, PocketVaeLoader, PocketVisionLoader
from .probes import PocketCountHooks, PocketCountTransformers, PocketDigest, PocketProbe
from .quantised import PocketQuantisedLoader


class PocketExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            PocketModelLoader,
            PocketClipLoader,
            PocketVaeLoader,
            PocketVisionLoader,
            PocketProbe,
            PocketDigest,
            PocketCountTransformers,
            PocketQuantisedLoader,
            PocketCountHooks,
        ]


async def comfy_entrypoint() -> PocketExtension:
    return PocketExtension()
