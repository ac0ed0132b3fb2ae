"""How models' sessions are made: flags, a text ConfigProto and a platform configuration, worked into values.

It loads nothing. What TensorFlow Serving does with each setting is in docs/models.md, "TensorFlow settings".
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format

from serving.configuration import text_proto
from serving.configuration.model_config import PLATFORM
from serving.errors import invalid_configuration
from serving.protos import (
    POOL,
    ConfigProto,
    PlatformConfigMap,
    SavedModelBundleSourceAdapterConfig,
    ThreadPoolFactoryConfig,
)
from serving.settings import Settings
from serving.telemetry.log import logger

_BFLOAT16 = "bfloat16"
_ON = 1  # RewriterConfig.Toggle
_NOT_HERE = (
    "session_target",
    "session_run_load_threadpool_index",
    "experimental_transient_ram_bytes_during_load",
    "experimental_fixed_input_tensors",
    "enable_session_metadata",
    "wrap_session_with_no_threading_params",
)
"""Fields of SessionBundleConfig that change nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The settings in effect, and what the sessions of all models have in common.

    ``config`` is a ConfigProto message. ``batching_parameters`` is the BatchingParameters message of a platform
    configuration; None without one, or if it has none. ``platforms`` are those that models may have.
    """

    settings: Settings
    config: Any
    batching_parameters: Any = None
    platforms: frozenset[str] = frozenset((PLATFORM,))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the MetaGraph to load."""
        return tuple(self.settings.saved_model_tags.split(",")) if self.settings.saved_model_tags else ("serve",)


def decide(settings: Settings, cpus: int) -> Sessions:
    """Read the files that the flags name. Threads that nobody set follow ``cpus``. Raises ConfigurationError."""
    if settings.platform_config_file:
        sessions = _of_platforms(settings)
    else:
        sessions = Sessions(settings=settings, config=_of_flags(settings))
    _refuse_thread_pools(settings.thread_pool_factory_config_file)
    _set_precision(sessions.config, sessions.settings.mixed_precision)
    config = sessions.config
    config.intra_op_parallelism_threads = config.intra_op_parallelism_threads or cpus
    config.inter_op_parallelism_threads = config.inter_op_parallelism_threads or cpus
    # A GPU's memory is taken as it is needed, unless a share was named, which TensorFlow takes at once.
    if not config.gpu_options.per_process_gpu_memory_fraction:
        config.gpu_options.allow_growth = True
    return sessions


def _of_flags(settings: Settings) -> Any:
    """The ConfigProto of the file, in which the flags overwrite threads and GPU memory, also with their defaults."""
    path = settings.tensorflow_session_config_file
    config = text_proto.read(path, ConfigProto) if path else ConfigProto()
    config.gpu_options.per_process_gpu_memory_fraction = settings.per_process_gpu_memory_fraction
    config.intra_op_parallelism_threads, config.inter_op_parallelism_threads = _threads(settings)
    return config


def _threads(settings: Settings) -> tuple[int, int]:
    """Threads within and between operations; 0 where the flags leave it open."""
    both = settings.tensorflow_session_parallelism
    intra, inter = settings.tensorflow_intra_op_parallelism, settings.tensorflow_inter_op_parallelism
    intra, inter = (intra, inter) if intra > 0 or inter > 0 else (both, both)
    return _int32(max(intra, 0)), _int32(max(inter, 0))


def _int32(threads: int) -> int:
    return min(threads, 2**31 - 1)


def _set_precision(config: Any, precision: str) -> None:
    if precision == _BFLOAT16:
        logger.info("Running inference with bfloat16 auto mixed precision")
        config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = _ON
    elif precision:
        logger.warning("%s auto mixed precision is not supported. Valid option: bfloat16", precision)


def _of_platforms(settings: Settings) -> Sessions:
    """What a PlatformConfigMap says, in place of the flags for the same things."""
    path = settings.platform_config_file
    platforms = text_proto.read(path, PlatformConfigMap).platform_configs
    if PLATFORM not in platforms:
        return Sessions(settings=settings, config=ConfigProto(), platforms=frozenset())
    packed = platforms[PLATFORM].source_adapter_config
    adapter = SavedModelBundleSourceAdapterConfig()
    if not packed.Unpack(adapter):
        raise invalid_configuration(
            f"'{path}' configures the platform {PLATFORM} with {packed.TypeName() or 'nothing'}; expected "
            f"{SavedModelBundleSourceAdapterConfig.DESCRIPTOR.full_name}"
        )
    bundle = adapter.legacy_config
    _name_what_is_ignored(bundle, path)
    return Sessions(
        settings=_in_place_of_flags(settings, bundle),
        config=bundle.session_config,
        batching_parameters=bundle.batching_parameters if bundle.HasField("batching_parameters") else None,
    )


def _in_place_of_flags(settings: Settings, bundle: Any) -> Settings:
    return settings.replaced(
        saved_model_tags=",".join(bundle.saved_model_tags),
        mixed_precision=bundle.mixed_precision,
        enable_model_warmup=bundle.enable_model_warmup,
        num_request_iterations_for_warmup=bundle.model_warmup_options.num_request_iterations.value,
        enable_batching=bundle.HasField("batching_parameters"),
        batching_parameters_file="",
        enable_per_model_batching_parameters=bundle.enable_per_model_batching_params,
        prefer_tflite_model=bundle.prefer_tflite_model,
        num_tflite_pools=bundle.num_tflite_pools or settings.num_tflite_pools,
        num_tflite_interpreters_per_pool=bundle.num_tflite_interpreters_per_pool or 1,
    )


def _name_what_is_ignored(bundle: Any, path: str) -> None:
    given = [field.name for field, _ in bundle.ListFields() if field.name in _NOT_HERE]
    if given:
        logger.warning("'%s' sets %s, which changes nothing here", path, ", ".join(given))


def _refuse_thread_pools(path: str) -> None:
    """There are no factories of thread pools, in TensorFlow Serving as here: any such file is an error."""
    if path:
        packed = text_proto.read(path, ThreadPoolFactoryConfig).thread_pool_factory_config
        debug = text_format.MessageToString(packed, descriptor_pool=POOL)
        raise invalid_configuration(
            f"Couldn't find factory for config proto message type {packed.TypeName()}\nconfig={debug}"
        )
