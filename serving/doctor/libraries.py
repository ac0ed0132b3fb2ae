"""The packages that the server runs on: which there are, in which versions, and what is missing for what was asked."""

import platform
from collections.abc import Callable
from importlib import metadata

from serving.doctor.finding import Finding, fails, ok, warning
from serving.settings import Settings

_SHOWN = ("numpy", "protobuf", "grpcio", "pygrpc-native", "aiohttp", "uvloop", "orjson", "pysimdjson", "openvino")
_TENSORFLOWS = ("tensorflow-cpu", "tensorflow")

Installed = Callable[[str], str | None]
"""The version of a package, None if it is not installed."""


def installed(package: str) -> str | None:
    """As this environment has it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def look(settings: Settings, version_of: Installed = installed) -> list[Finding]:
    """One row with all versions, and one for each package that the flags ask for in vain."""
    named = [(name, version_of(name)) for name in (*_TENSORFLOWS, *_SHOWN)]
    shown = ", ".join(f"{name} {version}" for name, version in named if version)
    findings = [ok("libraries", f"Python {platform.python_version()}, {shown}")]
    if not any(version_of(name) for name in _TENSORFLOWS):
        findings.append(fails("TensorFlow", "is not installed", "Install the package tensorflow-cpu."))
    if settings.prefer_tflite_model and not version_of("ai-edge-litert"):
        findings.append(
            fails(
                "--prefer_tflite_model",
                "needs the package ai-edge-litert, which is not installed",
                "pip install tensorflow-serving-appliance[tflite]",
            )
        )
    if settings.optimize != "off" and "openvino" in settings.optimize_engines and not version_of("openvino"):
        findings.append(
            warning(
                "OpenVINO",
                "is not installed: models are served by TensorFlow alone",
                "pip install tensorflow-serving-appliance[openvino], or --optimize_engines=tensorflow",
            )
        )
    if settings.grpc_transport == "native" and not version_of("pygrpc-native"):
        findings.append(warning("gRPC", "the package pygrpc-native is not installed: grpcio carries it, slower"))
    return findings
