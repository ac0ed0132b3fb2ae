"""What is wrong with flags by themselves, before any file is read, in TensorFlow Serving's words where it has some."""

from collections.abc import Iterator
from typing import Any

from serving.errors import ConfigurationError, invalid_configuration
from serving.settings import FLAGS, Flag, Settings

NO_MODEL = "Both server_options.model_base_path and server_options.model_config_file are empty!"

_NO_GRPC = "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
_BOTH_CREDENTIALS = "Either use_alts_credentials must be false or ssl_config_file must be empty."
_NO_BATCHING = "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
_ALL_THREADS = (
    "Either configure server_options.tensorflow_session_parallelism or "
    "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
    "separately. You cannot configure all."
)

_MOST_WORKERS = 256
_ENGINES = ("tensorflow", "openvino")

_ADVICE = {
    NO_MODEL: "Give --model_name=NAME --model_base_path=/path/to/NAME, or --model_config_file=/path/to/models.config",
    _NO_GRPC: "Give --port=8500 or another port, or --grpc_socket_path=/path/to/socket",
    _BOTH_CREDENTIALS: "Leave out --use_alts_credentials, which works on Google Cloud alone, or --ssl_config_file",
    _NO_BATCHING: "Give --enable_batching too, or leave out --batching_parameters_file",
    _ALL_THREADS: "Leave out --tensorflow_session_parallelism, which is for both, or the two flags "
    "--tensorflow_intra_op_parallelism and --tensorflow_inter_op_parallelism",
}
"""What to do, where a text names what nobody has typed."""


def check(settings: Settings) -> None:
    """Raises ConfigurationError for the first of ``wrong``."""
    for error in wrong(settings):
        raise error


def wrong(settings: Settings) -> Iterator[ConfigurationError]:
    """Everything that is wrong, the gravest first."""
    yield from _words(settings)
    yield from _contradictions(settings)
    if not (settings.model_base_path or settings.model_config_file or settings.sagemaker):
        yield invalid_configuration(NO_MODEL)


def usable(settings: Settings) -> Settings:
    """With the default in place of each word that a flag does not take, for whoever looks at the rest all the same."""
    changed: dict[str, Any] = {flag.name: flag.default for flag in FLAGS if flag.choices and not _takes(settings, flag)}
    if not _engines_are_known(settings):
        changed["optimize_engines"] = Settings().optimize_engines
    if not _are_workers(settings.workers):
        changed["workers"] = Settings().workers
    if any(_wrong_shadows(settings)):
        changed["shadow"] = ""
    return settings.replaced(**changed)


def advice(error: ConfigurationError) -> str:
    """What to do about one of ``wrong``; empty where its text says so."""
    return _ADVICE.get(error.message, "")


def _words(settings: Settings) -> Iterator[ConfigurationError]:
    """Values that are none of those that a flag takes."""
    for flag in FLAGS:
        if flag.choices and not _takes(settings, flag):
            value = getattr(settings, flag.name)
            yield invalid_configuration(f"--{flag.name} is {value!r}; expected {_either(flag.choices)}")
    if not _engines_are_known(settings):
        known = ", ".join(_ENGINES)
        yield invalid_configuration(
            f"--optimize_engines is {settings.optimize_engines!r}; expected a comma-separated list of {known}"
        )
    yield from _wrong_shadows(settings)
    if not _are_workers(settings.workers):
        yield invalid_configuration(
            f"--workers is {settings.workers!r}; expected a number from 1 to {_MOST_WORKERS}, or auto"
        )
    rate = settings.access_log_sampling_rate
    if not 0 <= rate <= 1:
        yield invalid_configuration(f"--access_log_sampling_rate is {rate:g}; expected a number from 0 to 1")
    for entry in filter(None, settings.grpc_channel_arguments.split(",")):
        key, equals, _ = entry.partition("=")
        if not (key and equals):
            yield invalid_configuration(f"--grpc_channel_arguments has the entry {entry!r}; expected key=value")


def _contradictions(settings: Settings) -> Iterator[ConfigurationError]:
    """Flags that cannot be given together, or not alone."""
    if settings.port == 0 and not settings.grpc_socket_path:
        yield invalid_configuration(_NO_GRPC)
    if settings.use_alts_credentials and settings.ssl_config_file:
        yield invalid_configuration(_BOTH_CREDENTIALS)
    if settings.batching_parameters_file and not settings.enable_batching:
        yield invalid_configuration(_NO_BATCHING)
    if settings.sagemaker_multi_model and not settings.sagemaker:
        yield invalid_configuration("--sagemaker_multi_model is given without --sagemaker; expected both")
    threads = settings.tensorflow_intra_op_parallelism, settings.tensorflow_inter_op_parallelism
    if settings.tensorflow_session_parallelism > 0 and min(threads) > 0:
        yield invalid_configuration(_ALL_THREADS)


def _takes(settings: Settings, flag: Flag) -> bool:
    return getattr(settings, flag.name) in flag.choices


def _are_workers(text: str) -> bool:
    is_number = text.isascii() and text.isdecimal() and len(text) < len(str(_MOST_WORKERS)) + 1
    return text == "auto" or (is_number and 1 <= int(text) <= _MOST_WORKERS)


def _engines_are_known(settings: Settings) -> bool:
    return all(word.strip() in _ENGINES for word in settings.optimize_engines.split(","))


def _either(choices: tuple[str, ...]) -> str:
    words = [each for each in choices if each]
    text = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    return text if "" not in choices else f"{text}, or nothing for none"


def _wrong_shadows(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.shadow:
        from serving.configuration import shadow_flag  # only here: a mistyped flag is told without

        yield from shadow_flag.wrong(settings.shadow)
