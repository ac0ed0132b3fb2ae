"""Plans, machines and wheels to test with. No tests."""

import io
import json
import zipfile
from dataclasses import replace

from build.machine import Machine
from build.plan import Goal, Inputs, Options, Plan, make_plan
from build.steps import CompileWheel
from build.variants import AVX512, VARIANTS

INPUTS = Inputs(
    tensorflow="2.21.0",
    server="1.2.3",
    devel_files={"Dockerfile.devel": "d1", "build/images/compile-tensorflow.sh": "d2"},
    runtime_files={"Dockerfile": "r1", "serving/a.py": "r2"},
    cpu="avx fma",
)

GIGA = 1_000_000_000

MACHINE = Machine(
    engine_version="28.0.1",
    architecture="x86_64",
    cpus=16,
    memory_bytes=64 * GIGA,
    free_disk_bytes=500 * GIGA,
    cpu_features=AVX512,
)
"""Has everything that any variant for x86-64 asks for."""


def plan(variant: str = "cpu-avx2", goal: Goal = Goal.ALL, options: Options | None = None) -> Plan:
    """The plan for the inputs above."""
    return make_plan(goal, VARIANTS[variant], options or Options(), INPUTS)


def compile_step(variant: str = "cpu-avx2", options: Options | None = None) -> CompileWheel:
    """The step of a plan that compiles."""
    (step,) = [step for step in plan(variant, Goal.WHEEL, options).steps if isinstance(step, CompileWheel)]
    return step


def machine(**changes: object) -> Machine:
    """``MACHINE`` but for some of its fields."""
    return replace(MACHINE, **changes)  # type: ignore[arg-type]


def wheel_bytes() -> bytes:
    """A zip archive, which is what a wheel is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.py", "")
    return packed.getvalue()


def build_json(**changes: object) -> bytes:
    """The description of a wheel for the variant cpu-avx2, but for some of its fields."""
    described = {"tensorflow": "2.21.0", "cpu_target": "haswell", "cpu_features": ["avx2", "fma"]}
    return json.dumps(described | changes).encode()
