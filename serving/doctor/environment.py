"""Environment variables that change what the server, or a client beside it, does. It is given them, and reads none."""

from collections.abc import Iterator, Mapping

from serving.doctor.finding import Finding, ok, warning
from serving.settings import Settings

_PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
_LOCAL = frozenset(("localhost", "127.0.0.1", "*"))

_NOTES: Mapping[str, tuple[str, str]] = {
    "OMP_NUM_THREADS": (
        "does not bound the threads of models",
        "--tensorflow_intra_op_parallelism does.",
    ),
    "TF_NUM_INTRAOP_THREADS": (
        "is overruled: the server gives TensorFlow its numbers of threads",
        "Use --tensorflow_intra_op_parallelism.",
    ),
    "TF_NUM_INTEROP_THREADS": (
        "is overruled: the server gives TensorFlow its numbers of threads",
        "Use --tensorflow_inter_op_parallelism.",
    ),
    "LD_PRELOAD": ("puts a library before all others, the C library's allocator included", ""),
    "PYTHONPATH": ("puts directories before the installed packages", "Leave it out, unless you know why it is there."),
}
_NOTED = (
    *("TF_CPP_", "TF_ENABLE_", "TF_XLA_", "TF_GPU_", "TF_FORCE_GPU_", "TF_ONEDNN_", "TF_DETERMINISTIC_", "ONEDNN_"),
    *("CUDA_", "NVIDIA_VISIBLE_DEVICES", "MALLOC_", "GLIBC_TUNABLES", "SERVING_CPU_CHECK"),
)


def look(environment: Mapping[str, str], settings: Settings) -> list[Finding]:
    """A row for each variable that matters; of those that are merely set, one for all."""
    findings = [
        *_of_image(environment, settings),
        *_of_proxies(environment),
        *(
            warning(name, f"is {environment[name]}, which {found}", advice)
            for name, (found, advice) in _NOTES.items()
            if environment.get(name)
        ),
        *_of_tensorflow(environment),
    ]
    told = {each.what for each in findings}
    others = sorted(name for name in environment if name.startswith(_NOTED) and name not in told)
    if others:
        findings.append(ok("environment", ", ".join(f"{name}={environment[name]}" for name in others)))
    return findings


def _of_image(environment: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """The image's entrypoint turns them into flags; who calls the server without it has to do that himself."""
    name, base_path = environment.get("MODEL_NAME"), environment.get("MODEL_BASE_PATH", "/models")
    if not name or settings.sagemaker:  # where the models are found without it
        return
    if settings.model_config_file:
        found = f"is {name}, and --model_config_file={settings.model_config_file} says which models are served"
        yield warning("MODEL_NAME", found, "Leave one of them out.")
    elif not settings.model_base_path:
        yield warning(
            "MODEL_NAME",
            f"is {name}, which the entrypoint of the image reads, not the server",
            f"Give --model_name={name} --model_base_path={base_path.rstrip('/')}/{name}",
        )
    elif settings.model_name != name:
        yield warning("MODEL_NAME", f"is {name}, but the model is called {settings.model_name} (--model_name)")


def _of_proxies(environment: Mapping[str, str]) -> Iterator[Finding]:
    lower = {name.lower(): value for name, value in environment.items() if value}
    proxy = next((name for name in _PROXIES if name in lower), None)
    without = {host.strip() for host in lower.get("no_proxy", "").split(",")}
    if proxy and not without & _LOCAL:
        yield warning(
            proxy,
            f"is {_without_password(lower[proxy])}, and no_proxy leaves this machine out: clients started here, curl "
            "and gRPC's among them, ask the proxy for localhost",
            "Set no_proxy=localhost,127.0.0.1 for them; the server itself calls nobody.",
        )


def _without_password(proxy: str) -> str:
    scheme, there, rest = proxy.rpartition("://")
    return f"{scheme}{there}{rest.rpartition('@')[2]}"


def _of_tensorflow(environment: Mapping[str, str]) -> Iterator[Finding]:
    if environment.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        yield warning("TF_ENABLE_ONEDNN_OPTS", "is 0: TensorFlow computes without oneDNN, slower", "Leave it out.")
    level = environment.get("TF_CPP_MIN_LOG_LEVEL", "")
    if level in ("0", "1"):
        yield warning(
            "TF_CPP_MIN_LOG_LEVEL",
            f"is {level}: TensorFlow writes a line for each run that fails, in which clients' text may begin lines",
            "Leave it out, unless you are looking for something.",
        )
