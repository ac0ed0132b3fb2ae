"""Which room may import which, checked on the source: the architecture as tables, and a checker that reads them.

Not a style check: ruff does that. The tables are the rule; a new room or edge is added there, in the open.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType

import pytest

ROOT = Path(__file__).parents[2]

ROOMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "": frozenset(),
        "client": frozenset(),
        "errors": frozenset(),
        "settings": frozenset(),
        "arguments": frozenset({"settings"}),
        "protos": frozenset(),
        "telemetry": frozenset({"errors"}),
        "host": frozenset({"core", "errors", "settings", "telemetry"}),
        "core": frozenset({"errors"}),
        "codecs": frozenset({"core", "errors", "protos"}),
        "stores": frozenset({"core", "errors", "sources", "telemetry"}),
        "sources": frozenset({"core", "errors"}),
        "servables": frozenset({"core", "codecs", "protos", "errors", "host", "telemetry"}),
        "openvino": frozenset({"core", "errors", "protos"}),
        "batching": frozenset({"core", "errors"}),
        "access": frozenset({"inference", "core", "errors", "telemetry"}),
        "inference": frozenset({"core", "codecs", "protos", "errors", "host", "telemetry"}),
        "request_log": frozenset({"codecs", "core", "protos", "errors", "settings", "telemetry"}),
        "rest": frozenset({"inference", "ui", "codecs", "core", "protos", "errors", "settings", "telemetry", "host"}),
        "rpc": frozenset({"inference", "codecs", "core", "protos", "errors", "settings", "telemetry", "host", "tls"}),
        "tls": frozenset({"configuration", "protos", "errors", "telemetry"}),
        "configuration": frozenset({"batching", "core", "protos", "errors", "settings", "telemetry"}),
        "loading": frozenset(
            {
                "batching",
                "configuration",
                "inference",
                "request_log",
                "servables",
                "sources",
                "stores",
                "codecs",
                "core",
            }
            | {"errors", "host", "protos", "settings", "telemetry"}
        ),
        "optimizing": frozenset(
            {"inference", "servables", "openvino", "codecs", "core", "errors", "host", "protos", "settings"}
            | {"telemetry"}
        ),
        "tracing": frozenset({"core", "errors", "inference", "telemetry"}),
        "welcome": frozenset({"core"}),
        "ui": frozenset(
            {"configuration", "loading", "inference", "optimizing", "servables", "core", "errors", "host", "settings"}
            | {"telemetry"}
        ),
        "composition": frozenset(
            {"access", "configuration", "loading", "optimizing", "inference", "request_log", "rest", "rpc", "servables"}
            | {"core", "errors", "host", "settings", "telemetry", "tls", "tracing", "ui", "processes", "welcome"}
        ),
        "doctor": frozenset(
            {
                "access",
                "arguments",
                "batching",
                "composition",
                "configuration",
                "loading",
                "optimizing",
                "rpc",
                "servables",
                "sources",
                "stores",
                "codecs",
                "core",
            }
            | {"errors", "host", "protos", "settings", "telemetry", "tls"}
        ),
        "processes": frozenset({"errors", "host", "settings", "telemetry"}),
        "server": frozenset(
            {
                "processes",
                "composition",
                "doctor",
                "configuration",
                "loading",
                "inference",
                "rest",
                "rpc",
                "servables",
                "core",
                "errors",
            }
            | {"settings", "host", "telemetry", "tls", "welcome"}
        ),
        "cli": frozenset(
            {"access", "arguments", "configuration", "server", "doctor", "processes", "settings", "errors", "telemetry"}
            | {"host"}
        ),
        "__main__": frozenset({"cli", "host", "telemetry"}),
    }
)
"""What each room of ``serving`` may import of the others; a room is a package or a module directly below it."""

PROTOCOLS = ("serving.rest.api", "serving.rpc.api")
KEPT_FROM_PROTOCOLS = ("serving.telemetry", "serving.request_log", "serving.core.manager", "serving.core.handle")
"""``PROTOCOLS`` decode into the service's values and encode out of them: they know no metrics, logs or versions."""

LIBRARIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "aiohttp": ("serving.rest",),
        "grpc": ("serving.rpc", "serving.client"),
        "pygrpc_native": ("serving.rpc",),
        "tensorflow": ("serving.optimizing.child", "serving.loading.keras_child"),
        "tensorflow_serving": (),
        "ai_edge_litert": ("serving.servables.tflite",),
        "flatbuffers": ("serving.servables.tflite_signatures",),
        "keras": ("serving.loading.keras_child",),
        "opentelemetry": ("serving.tracing",),
        "fsspec": ("serving.stores.objects",),
        "gcsfs": ("serving.stores.objects",),
        "PIL": ("serving.client.terminal.images",),
        "docker": ("build.engine",),
        "build": ("build",),
        "serving": ("serving",),
    }
)
"""The only modules, or packages with all that is in them, that may import each of these."""

ALONE = ("serving.optimizing.child", "serving.loading.keras_child")
"""Programs that import nothing of ours but themselves, and that nobody imports: TensorFlow's Python is in them."""

VERSION_READERS = ("serving.server",)
"""The one exception to "no module imports from a package that contains it": ``serving`` itself has the version."""

PURE = (
    "serving.core",
    "serving.codecs",
    "serving.client.planning",
    "build.plan",
    "build.steps",
    "build.variants",
    "build.progress",
)
IMPURE = frozenset(
    {"asyncio", "datetime", "glob", "http", "os", "pathlib", "select", "selectors", "shutil", "socket", "sqlite3"}
    | {"subprocess", "tempfile", "time", "urllib"}
)
"""``PURE`` modules import none of these: they would wait, open something, or read a clock."""

ENVIRONMENT_READERS = ("serving.cli", "serving.client.terminal.main", "build.cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One source file: its dotted name, whether it is a package's ``__init__``, its syntax tree."""

    name: str
    package: bool
    tree: ast.Module

    def within(self, *places: str) -> bool:
        """Whether this is one of the modules ``places`` or inside one of these packages."""
        return _is_in(self.name, *places)


def _is_in(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def read_tree(root: Path) -> dict[str, Module]:
    """Every module of ``serving`` and ``build`` below ``root`` by its name."""
    modules = {}
    for path in sorted([*root.glob("serving/**/*.py"), *root.glob("build/**/*.py")]):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        modules[name] = Module(name=name, package=path.stem == "__init__", tree=ast.parse(path.read_text()))
    return modules


def imports(module: Module, modules: Mapping[str, Module]) -> Iterator[str]:
    """The dotted names that a module imports anywhere in it, down to the module if a name is one of ours."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (str(word.value) for word in node.args[:1] if isinstance(word, ast.Constant))


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    here = parts[: len(parts) - node.level + module.package]
    return ".".join([*here, node.module] if node.module else here)


def violations(modules: Mapping[str, Module]) -> list[str]:
    """Every broken rule as ``module: what is wrong``; cycles last."""
    found = []
    for module in modules.values():
        imported = set(imports(module, modules))
        problems = [*_room_problems(module, imported), *_library_problems(module, imported)]
        found += [f"{module.name}: {problem}" for problem in problems]
        found += [f"{module.name}: reads the environment" for _ in _environment_reads(module)]
    return found + _cycles(modules)


def _room_problems(module: Module, imported: set[str]) -> Iterator[str]:
    room = _room(module.name)
    if module.within("serving") and room not in ROOMS:
        yield f"is in the room {room}, which the table does not have"
    for target in sorted(imported):
        inside = target == "serving" or target.startswith("serving.")
        if target == "serving" and module.within(*VERSION_READERS):
            continue
        if module.name.startswith(f"{target}."):
            yield f"imports from {target}, a package that contains it"
        elif module.within(*PROTOCOLS) and _is_in(target, *KEPT_FROM_PROTOCOLS):
            yield f"imports {target}, and is a protocol: it knows no metrics, logs or versions"
        elif inside and any(module.within(place) != _is_in(target, place) for place in ALONE):
            yield f"imports {target}: {' and '.join(ALONE)} are programs alone"
        elif inside and module.within("serving") and _room(target) not in {room, *ROOMS.get(room, ())}:
            yield f"imports {target}: {room or 'the package'} may not import {_room(target)}"


def _room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _library_problems(module: Module, imported: set[str]) -> Iterator[str]:
    for target in sorted(imported):
        library = target.split(".")[0]
        if library in LIBRARIES and not module.within(*LIBRARIES[library]):
            yield f"imports {target}, which is for {' and '.join(LIBRARIES[library]) or 'nobody'} alone"
        if library in IMPURE and module.within(*PURE):
            yield f"imports {target}, and does no I/O"


def _environment_reads(module: Module) -> Iterator[ast.AST]:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    if module.within(*ENVIRONMENT_READERS):
        return
    for node in ast.walk(module.tree):
        from_os = isinstance(node, ast.ImportFrom) and node.module == "os" and names & {a.name for a in node.names}
        attribute = isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os"
        if from_os or attribute:
            yield node


def _cycles(modules: Mapping[str, Module]) -> list[str]:
    graph = {name: {i for i in imports(module, modules) if i in modules} for name, module in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"cycle: {' -> '.join(reversed(error.args[1]))}"]
    return []


def test_source_keeps_the_directions() -> None:
    """No module of the source breaks a rule of the tables."""
    modules = read_tree(ROOT)
    assert "serving.core.servable" in modules
    assert "\n".join(violations(modules)) == ""


BROKEN = [
    pytest.param("serving/core/a.py", "import serving.codecs.b", "core may not import codecs", id="core-codecs"),
    pytest.param("serving/core/a.py", "from serving import codecs", "core may not import codecs", id="from-package"),
    pytest.param("serving/core/a.py", "from .. import settings", "core may not import settings", id="relative"),
    pytest.param("serving/core/a.py", "from ..rest.b import x", "core may not import rest", id="relative-module"),
    pytest.param("serving/rest/a.py", "import serving.rpc.b", "rest may not import rpc", id="rest-rpc"),
    pytest.param("serving/rpc/a.py", "import serving.rest.b", "rpc may not import rest", id="rpc-rest"),
    pytest.param("serving/rest/a.py", "import serving.request_log.b", "rest may not import request_log", id="rest-log"),
    pytest.param("serving/rpc/a.py", "import serving.request_log.b", "rpc may not import request_log", id="rpc-log"),
    pytest.param(
        "serving/rest/api/a.py", "import serving.telemetry.serving_metrics", "is a protocol", id="protocol-metrics"
    ),
    pytest.param("serving/rpc/api/a.py", "import serving.request_log.b", "is a protocol", id="protocol-log"),
    pytest.param("serving/rpc/api/a.py", "from serving.core.manager import x", "is a protocol", id="protocol-manager"),
    pytest.param("serving/rest/api/a/b.py", "from ....core import handle", "is a protocol", id="protocol-handle"),
    pytest.param(
        "serving/inference/a.py", "import serving.rest.b", "inference may not import rest", id="inference-rest"
    ),
    pytest.param(
        "serving/inference/a.py",
        "import serving.request_log.b",
        "inference may not import request_log",
        id="inference-log",
    ),
    pytest.param("serving/inference/a.py", "import aiohttp.web", "imports aiohttp.web", id="inference-aiohttp"),
    pytest.param("serving/inference/a.py", "import grpc", "imports grpc", id="inference-grpc"),
    pytest.param("serving/rest/a.py", "from pygrpc_native import x", "imports pygrpc_native", id="rest-native"),
    pytest.param("serving/servables/a.py", "import tensorflow as tf", "imports tensorflow", id="tensorflow"),
    pytest.param(
        "serving/optimizing/child/a.py", "import serving.errors", "programs alone", id="the-child-imports-nothing"
    ),
    pytest.param(
        "serving/optimizing/a.py", "import serving.optimizing.child.b", "programs alone", id="nobody-imports-the-child"
    ),
    pytest.param("serving/a.py", "", "is in the room a", id="unknown-room"),
    pytest.param("serving/server.py", "from serving import cli", "server may not import cli", id="server-cli"),
    pytest.param("serving/server.py", "import docker", "imports docker", id="docker"),
    pytest.param("serving/server.py", "import build.plan", "imports build.plan", id="serving-build"),
    pytest.param("build/plan.py", "import serving.errors", "imports serving.errors", id="build-serving"),
    pytest.param("build/plan.py", "import time", "imports time, and does no I/O", id="pure-plan"),
    pytest.param("serving/codecs/a.py", "def f():\n  import os", "imports os, and does no I/O", id="pure-codecs"),
    pytest.param("serving/server.py", "import os\nos.environ['A']", "reads the environment", id="environ"),
    pytest.param("serving/server.py", "from os import getenv", "reads the environment", id="getenv"),
    pytest.param("serving/core/a.py", "from serving.core import x", "a package that contains it", id="own-package"),
    pytest.param("serving/core/b.py", "import serving.core.c", "cycle: serving.core.b", id="cycle"),
    pytest.param(
        "serving/server.py",
        "import importlib\nimportlib.import_module('tensorflow')",
        "imports tensorflow",
        id="import_module",
    ),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small source tree that keeps every rule."""
    sources = {
        "serving/__init__.py": "",
        "serving/errors.py": "",
        "serving/settings.py": "",
        "serving/cli.py": "import os\nfrom serving import server\nos.environ.get('A')\n",
        "serving/server.py": "import serving.rest.b\nfrom serving.core import c\n",
        "serving/core/__init__.py": "",
        "serving/core/b.py": "from serving.errors import x\n",
        "serving/core/c.py": "from serving.core import b\n",
        "serving/core/manager.py": "",
        "serving/core/handle.py": "",
        "serving/codecs/__init__.py": "",
        "serving/codecs/b.py": "",
        "serving/rest/b.py": "import aiohttp\n",
        "serving/rpc/b.py": "import grpc\n",
        "build/engine.py": "import docker\n",
        "build/plan.py": "",
    }
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_checker_accepts_a_good_tree(tree: Path) -> None:
    """A tree that keeps the rules has no violations, so that the cases below fail for their own reason."""
    assert violations(read_tree(tree)) == []


@pytest.mark.parametrize(("path", "text", "expected"), BROKEN)
def test_checker_catches(tree: Path, path: str, text: str, expected: str) -> None:
    """Each rule, broken once, is reported."""
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)
    assert any(expected in violation for violation in violations(read_tree(tree)))
