"""Wheels, images and libraries to look into, small and made on the spot. No tests."""

import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from build.errors import EngineLostError
from build.inspection.contents import Contents, File
from build.inspection.dispatch import Dispatch
from build.inspection.families import Family, Sample
from build.inspection.instructions import Count, InstructionSet
from build.inspection.libraries import Libraries
from build.inspection.report import Report, Subject
from build.inspection.sbom import bill
from build.inspection.sizes import Part, Sizes
from tests.unit.build.engines import FakeEngine

# Functions under the names of other families; each does more than a few instructions of one set.
KERNELS = """
#include <math.h>
#define FOR for (int i = 0; i < 64; i++)
__attribute__((target("avx2,fma")))
void fma_kernel(float *a, const float *b) __asm__("_ZN5Eigen8internal4gebpEv");
__attribute__((target("avx2,fma"))) void fma_kernel(float *a, const float *b) { FOR a[i] = a[i] * b[i] + 3; }
__attribute__((target("avx2,no-fma"))) void integers(int *a, const int *b) __asm__("_ZN10tensorflow3addEv");
__attribute__((target("avx2,no-fma"))) void integers(int *a, const int *b) { FOR a[i] += b[i]; }
__attribute__((target("avx512f,prefer-vector-width=512")))
void wide(float *a, const float *b) __asm__("_ZN3jxl6N_AVX33addEv");
__attribute__((target("avx512f,prefer-vector-width=512"))) void wide(float *a, const float *b) { FOR a[i] += b[i]; }
void plain(float *a, const float *b) __asm__("_ZN4llvm3addEv");
void plain(float *a, const float *b) { FOR a[i] = sqrtf(a[i]) + cosf(b[i]); }
"""


def compiled(directory: Path) -> Path:
    """A library of these functions; the test is skipped where there is no gcc, objdump or x86-64."""
    missing = [name for name in ("gcc", "strip", "objdump") if not shutil.which(name)]
    if missing or platform.machine() != "x86_64":
        pytest.skip(f"needs x86-64, and: {', '.join(missing) or 'nothing else'}")
    (directory / "kernels.c").write_text(KERNELS)
    library = directory / "libtensorflow_cc.so.2"
    options = ["-O3", "-ffast-math", "-shared", "-fPIC", "-Wl,--no-as-needed"]
    subprocess.run(["gcc", *options, "-o", library, directory / "kernels.c", "-lm"], check=True)
    return library


def wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    """A wheel of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def packed(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A tar archive of files, and of symbolic links with their targets."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return made.getvalue()


def digest(layer: bytes) -> str:
    """A layer's digest as an image's configuration has it."""
    return f"sha256:{hashlib.sha256(layer).hexdigest()}"


def saved(layers: list[bytes]) -> bytes:
    """What ``docker save`` writes in its older form."""
    files = {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
    files |= {f"{number}/json": b"{}" for number in range(len(layers))}
    return packed(files | {"manifest.json": b"[]"})


def saved_by_containerd(layers: list[bytes]) -> bytes:
    """What ``docker save`` writes in OCI's form, with the layers packed as a registry has them."""
    blobs = [json.dumps({"layers": len(layers)}).encode(), *map(gzip.compress, layers)]
    return packed({f"blobs/sha256/{digest(blob)[7:]}": blob for blob in blobs} | {"index.json": b"{}"})


def in_pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """The bytes as a socket gives them."""
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


def contents(root: Path, files: Mapping[str, bytes | None]) -> Contents:
    """Contents of these files, on disk unless they are None."""
    for name, content in files.items():
        if content is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    return Contents(files=tuple(File(path=name, size=len(data or b"")) for name, data in files.items()), kept=root)


@dataclass
class FakeImages(FakeEngine):
    """An engine with images, whose containers have one file system and print what their program prints."""

    layers: dict[str, list[bytes]] = field(default_factory=dict)
    file_system: Mapping[str, bytes] = field(default_factory=dict)

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        assert container in self.alive
        return in_pieces(packed(self.file_system))

    def save(self, image: str) -> Iterator[bytes]:
        return in_pieces(saved(self.layers[image]))

    def inspect_image(self, name: str) -> Mapping[str, Any]:
        if name not in self.layers:
            raise EngineLostError(f"no such image: {name}", "again")
        layers = [digest(layer) for layer in self.layers[name]]
        return {"RootFS": {"Layers": layers}, "Config": {"Labels": {"serving.variant": "cpu"}}}


def counted(family: Family | None, **found: int) -> Count:
    """A count of a thousand instructions, of which ``avx2=5`` and so on."""
    return Count(
        sample=Sample(family=family, functions=10, code_bytes=4000, spans=()),
        sampled_bytes=4000,
        instructions=1000,
        found={kind: found.get(kind.name.lower(), 0) for kind in InstructionSet},
    )


def report(**changes: Any) -> Report:
    """A report of an image that keeps every promise, but for some of its fields."""
    values: dict[str, Any] = {
        "subject": Subject.IMAGE,
        "name": "a:b",
        "description": {"tensorflow": "2.21.0", "cpu_target": "haswell", "cpu_features": ["avx", "avx2", "fma"]},
        "library": "libtensorflow_cc.so.2",
        "stripped": True,
        "counts": (counted(None, avx=9), counted(Family.EIGEN, avx=9, avx2=5, fma=4)),
        "dispatch": Dispatch(version="v3.7.3", isa="Intel AVX2", executed=("gemm_api",), unused=("AVX512F",)),
        "libraries": Libraries(objects=1, linked=(), direct=(), newest=("GLIBC_2.27",)),
        "packages": (),
        "bill": bill("a:b", "container", ()),
        "sizes": Sizes(unpacked=950_000_000, packed=275_000_000, parts=(Part(name="a", size=1),), base="c:d"),
        "first_answer_seconds": 1.5,
    }
    return Report(**values | changes)
