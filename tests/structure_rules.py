"""The rules of the tree, each a function from source texts to complaints. Reads text only, imports nothing it judges.

`Files` maps a path inside the repository (`trainer/files.py`) to the file's text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Files = Mapping[str, str]

HEAVY = {"diffusers", "transformers", "peft", "bitsandbytes", "prodigyopt", "schedulefree"}
COMFYUI = {"folder_paths", "server", "execution", "latent_preview"}  # and every name that begins with comfy
OURS = {"trainer", "nodes", "pocket", "bench", "tests"}
HOST_FILES = {"nodes/host.py", "nodes/host_models.py"}
ONLY_IN_HOST = {"server", "folder_paths", "execution", "comfy.model_management", "comfy_execution"}
UNSAFE_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "subprocess", "pip"}
UNSAFE_CALLS = {
    "eval", "exec", "__import__", "torch.load", "os.system", "os.popen", "yaml.full_load", "yaml.unsafe_load",
}  # fmt: skip
TORCH_DRAWS = {
    "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "bernoulli",
    "multinomial", "poisson",
}  # fmt: skip
TENSOR_DRAWS = {"normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "geometric_", "log_normal_"}
TORCH_SEEDS = {
    "torch.manual_seed", "torch.seed", "torch.set_rng_state", "torch.random.manual_seed", "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
}  # fmt: skip
NUMPY_OWN_GENERATORS = {"default_rng", "Generator", "SeedSequence", "PCG64", "Philox"}
MUTABLE_MAKERS = {"list", "dict", "set", "collections.defaultdict", "collections.deque", "collections.Counter"}
MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


@dataclass(frozen=True)
class Import:
    """One imported name; `level` counts its dots. Not `at_start_up`: inside a function, or for type checkers only."""

    line: int
    module: str
    name: str
    level: int
    at_start_up: bool

    @property
    def full(self) -> str:
        """`comfy.model_management` for `from comfy import model_management`."""
        return ".".join(part for part in (self.module, self.name) if part)

    @property
    def top(self) -> str:
        """The first word, empty for a relative import."""
        return "" if self.level else self.full.split(".")[0]


def imports(source: str) -> Iterator[Import]:
    """Every import of a file, wherever it stands."""

    def walk(node: ast.AST, at_start_up: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(child.lineno, alias.name, "", 0, at_start_up)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    yield Import(child.lineno, child.module or "", alias.name, child.level, at_start_up)
            yield from walk(child, at_start_up and not inside and not for_types)

    yield from walk(ast.parse(source), True)


def python(files: Files, *folders: str) -> Iterator[tuple[str, str]]:
    """The Python files under the given top folders; `.` stands for the repository's own `__init__.py`."""
    for path, text in files.items():
        folder = path.split("/")[0] if "/" in path else "."
        if path.endswith(".py") and folder in folders:
            yield path, text


def resolve(path: str, found: Import) -> str:
    """The dotted name that a relative import means, seen from `path`; `..` in front if it leaves the repository."""
    package = path.split("/")[:-1]
    up = found.level - 1
    if up > len(package):
        return ".." + found.full
    return ".".join([*package[: len(package) - up], *found.full.split(".")])


def trainer_knows_no_host(files: Files) -> list[str]:
    """`trainer/` imports nothing of ComfyUI, nothing of ours outside itself, and itself only by dots."""
    complaints = []
    for path, text in python(files, "trainer"):
        for found in imports(text):
            if found.level and not resolve(path, found).startswith("trainer."):
                complaints.append(f"{path}:{found.line}: imports {resolve(path, found)}, which is outside trainer/")
            elif found.top in COMFYUI or found.top.startswith("comfy"):
                complaints.append(f"{path}:{found.line}: imports {found.full} of ComfyUI")
            elif found.top in OURS:
                complaints.append(f"{path}:{found.line}: imports {found.full} absolutely; inside the pack use dots")
    return complaints


def nodes_are_thin(files: Files) -> list[str]:
    """`nodes/` reaches trainer/ by dots, never tests/ or pocket/; only HOST_FILES touch server, folders and memory."""
    complaints = []
    for path, text in python(files, "nodes"):
        for found in imports(text):
            name = resolve(path, found) if found.level else found.full
            if found.top in OURS:
                complaints.append(f"{path}:{found.line}: imports {name} absolutely; inside the pack use dots")
            elif found.level and name.split(".")[0] not in ("nodes", "trainer"):
                complaints.append(f"{path}:{found.line}: imports {name}; nodes/ may use nodes/ and trainer/ only")
            elif path not in HOST_FILES and any(f"{name}.".startswith(f"{host}.") for host in ONLY_IN_HOST):
                complaints.append(f"{path}:{found.line}: imports {name}; only nodes/host.py touches that")
    return complaints


def entry_imports_nothing(files: Files) -> list[str]:
    """The repository's `__init__.py` imports `logging` at most; when ComfyUI asks for the nodes, only nodes/."""
    complaints = []
    for path, text in python(files, "."):
        for found in imports(text):
            if found.at_start_up and found.top not in ("__future__", "logging"):
                complaints.append(f"{path}:{found.line}: imports {found.full} at ComfyUI's start-up")
            elif found.level and resolve(path, found).split(".")[0] != "nodes":
                complaints.append(f"{path}:{found.line}: imports {resolve(path, found)}; the entry knows nodes/ only")
    return complaints


def heavy_imports_wait(files: Files) -> list[str]:
    """diffusers, transformers, peft and bitsandbytes are imported inside the functions that use them."""
    return [
        f"{path}:{found.line}: imports {found.full} at module level; move it into the function that uses it"
        for path, text in python(files, ".", "nodes", "trainer")
        for found in imports(text)
        if found.at_start_up and found.top in HEAVY
    ]


def no_import_rings(files: Files) -> list[str]:
    """No module reaches itself through imports, those inside functions counted."""
    sources = {
        module_name(path): (path, text) for path, text in python(files, ".", "nodes", "trainer", "pocket", "bench")
    }
    edges: dict[str, set[str]] = {}
    for module, (path, text) in sources.items():
        targets = (resolve(path, found) if found.level else found.full for found in imports(text))
        known = (name if name in sources else name.rpartition(".")[0] for name in targets)
        edges[module] = {name for name in known if name in sources}
    return [f"{' -> '.join(ring)}: these modules import each other in a ring" for ring in rings(edges)]


def module_name(path: str) -> str:
    """`trainer.photos` for `trainer/photos/__init__.py`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def rings(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """One shortest way round for every module that can reach itself, each ring once."""
    found = {}
    for start in sorted(edges):
        ways = [[start]]
        seen: set[str] = set()
        while ways:
            way = ways.pop(0)
            for following in sorted(edges[way[-1]]):
                if following == start:
                    found.setdefault(frozenset(way), [*way, start])
                    ways = []
                    break
                if following not in seen:
                    seen.add(following)
                    ways.append([*way, following])
    return list(found.values())


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name it means: `torch.randn` for `t.randn(3)` after `import torch as t`."""
    tree = ast.parse(source)
    real_names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            real_names.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            real_names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            first, dot, rest = name.partition(".")
            yield real_names.get(first, first) + dot + rest, node


def nothing_unsafe(files: Files) -> list[str]:
    """No eval, exec, pickle, torch.load or pip, and no other program started, in what a user installs."""
    complaints = []
    for path, text in python(files, ".", "nodes", "trainer"):
        for found in imports(text):
            if found.top in UNSAFE_IMPORTS:
                complaints.append(f"{path}:{found.line}: imports {found.top}")
        for name, call in calls(text):
            free_yaml = name == "yaml.load" and not ast.unparse(call).endswith(("SafeLoader)", "BaseLoader)"))
            if name in UNSAFE_CALLS or free_yaml:
                complaints.append(f"{path}:{call.lineno}: calls {name}")
    return complaints


def draws_from_global_rng(name: str, call: ast.Call) -> bool:
    """Whether a call draws from, or seeds, a random generator that others share."""
    own = any(keyword.arg == "generator" and ast.unparse(keyword.value) != "None" for keyword in call.keywords)
    if name in TORCH_SEEDS:
        return True
    if name.startswith("torch.nn.init."):
        return not own and not name.endswith(("zeros_", "ones_", "constant_", "eye_"))
    if name.startswith("torch.") and name.split(".")[1] in TORCH_DRAWS:
        return not own
    if name.startswith("numpy.random."):
        return name.split(".")[2] not in NUMPY_OWN_GENERATORS or not (call.args or call.keywords)
    if name.startswith("random."):
        return name != "random.Random" or not call.args
    return "." in name and name.rpartition(".")[2] in TENSOR_DRAWS and not own


def no_global_rng(files: Files) -> list[str]:
    """Every random draw has a generator of its own: ComfyUI's samplers reseed the global one."""
    return [
        f"{path}:{call.lineno}: {name} uses the global random generator; give it one of its own"
        for path, text in python(files, "nodes", "trainer")
        for name, call in calls(text)
        if draws_from_global_rng(name, call)
    ]


def no_module_state(files: Files) -> list[str]:
    """`trainer/` keeps nothing at module level that changes: only UPPER_CASE constants may be lists, dicts or sets."""
    complaints = []
    for path, text in python(files, "trainer"):
        tree = ast.parse(text)
        makers = {ast.dump(call.func) for name, call in calls(text) if name in MUTABLE_MAKERS}
        for node in tree.body:
            if not isinstance(node, (ast.Assign, ast.AnnAssign)):
                continue
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            made = isinstance(node.value, ast.Call) and ast.dump(node.value.func) in makers
            if (made or isinstance(node.value, MUTABLE_DISPLAYS)) and name not in (name.upper(), "__all__"):
                complaints.append(f"{path}:{node.lineno}: {name} can change; a constant has an UPPER_CASE name")
        complaints += [f"{path}:{node.lineno}: global" for node in ast.walk(tree) if isinstance(node, ast.Global)]
    return complaints


def node_ids_are_literal(files: Files) -> list[str]:
    """Every Schema names its node_id as a string in place (ComfyUI's registry reads the source), and no id twice."""
    complaints, seen = [], set()
    for path, text in python(files, "nodes"):
        for node_id in node_ids(text):
            if node_id is None:
                complaints.append(f"{path}: a Schema whose node_id is not a literal string")
            elif node_id in seen:
                complaints.append(f"{path}: a second node called {node_id}")
            seen.add(node_id)
    return complaints


def node_ids(source: str) -> Iterator[str | None]:
    """The node_id of every Schema in a file, None where it is not a string written in place."""
    for name, call in calls(source):
        if name.rpartition(".")[2] == "Schema":
            value = next((keyword.value for keyword in call.keywords if keyword.arg == "node_id"), None)
            yield value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def files_say_their_job(files: Files) -> list[str]:
    """A Python file opens with its job and its limit, a script of the browser with a comment that does."""
    complaints = [
        f"{path}:1: has no docstring"
        for path, text in python(files, ".", "nodes", "trainer", "pocket", "bench", "tests")
        if text.strip() and not ast.get_docstring(ast.parse(text))
    ]
    scripts = {path: text for path, text in files.items() if path.startswith("web/") and path.endswith(".js")}
    openings = ("/*", "//")
    return complaints + [f"{path}:1: has no comment" for path, text in scripts.items() if not text.startswith(openings)]


def sizes_stay_small(files: Files, *, max_lines: int = 300, max_function_lines: int = 60) -> list[str]:
    """Files of at most 300 lines, functions of at most 60."""
    complaints = []
    for path, text in files.items():
        if (num_lines := text.count("\n")) > max_lines:
            complaints.append(f"{path}: {num_lines} lines")
        for node in ast.walk(ast.parse(text)) if path.endswith(".py") else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                num_lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if num_lines > max_function_lines:
                    complaints.append(f"{path}:{node.name}: {num_lines} lines")
    return complaints
