"""Has ComfyUI's loader of node packs write down how much processor time each pack's import takes.

ComfyUI's own figure is wall time in tenths of a second, which a busy machine moves.
"""

import importlib.abc
import importlib.util
import logging
import sys
import time


def _timed(load_custom_node):
    async def load(module_path, *args, **kwargs):
        import comfy_config.config_parser  # noqa: F401  (ComfyUI's own, loaded with whichever pack comes first)

        before_s = time.thread_time()
        loaded = await load_custom_node(module_path, *args, **kwargs)
        logging.info("imported %s in %.1f ms", module_path, 1000 * (time.thread_time() - before_s))
        return loaded

    return load


class _NodesFinder(importlib.abc.MetaPathFinder):
    """Waits for ComfyUI's `nodes` module, which this script runs before, and wraps its loader."""

    def find_spec(self, name, path=None, target=None):
        if name != "nodes":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.load_custom_node = _timed(module.load_custom_node)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _NodesFinder())
