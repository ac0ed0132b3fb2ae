"""How versions are read, and the models that are loaded, as the flags say."""

from collections.abc import Callable

from serving.configuration.session_config import Sessions
from serving.core.manager import Manager
from serving.host.memory import held_bytes
from serving.loading.manager_loop import LoaderFor
from serving.loading.model_kinds import ModelLoader
from serving.loading.models import Models
from serving.loading.sources import StoreFlags
from serving.loading.weighing import Meter
from serving.request_log.log import RequestLog
from serving.servables.saved_model import SavedModelOptions
from serving.servables.threads import ModelThreads
from serving.settings import Settings


def model_loader(sessions: Sessions, options: SavedModelOptions, executor: ModelThreads) -> ModelLoader:
    """What reads a version, whichever kind of model it is."""
    settings = sessions.settings
    return ModelLoader(
        options=options,
        executor=executor,
        prefer_tflite=settings.prefer_tflite_model,
        cache_directory=settings.optimize_cache_dir,
        tflite_interpreters=settings.num_tflite_pools,
        tflite_threads=sessions.config.intra_op_parallelism_threads,
    )


def models(
    sessions: Sessions,
    cpus: int,
    manager: Manager,
    loaders: LoaderFor,
    request_log: RequestLog,
    budget: int | None,
    meter: Meter,
    on_death: Callable[[BaseException], None],
) -> Models:
    """The models, of which none is loaded yet; they may hold ``budget`` bytes, None for no limit."""
    settings = sessions.settings
    return Models(
        manager,
        loaders,
        poll_wait_seconds=settings.file_system_poll_wait_seconds,
        settle_seconds=settings.version_settle_seconds,
        max_loads=settings.num_load_threads or 4 * cpus,
        max_unloads=settings.num_unload_threads or 1,
        allow_unavailable_labels=settings.allow_version_labels_for_unavailable_models,
        platforms=sessions.platforms,
        request_log=request_log,
        held_bytes=None if budget is None else held_bytes,
        meter=meter,
        stores=store_flags(settings),
        on_death=on_death,
    )


def store_flags(settings: Settings) -> StoreFlags:
    """What the flags say of models in object stores."""
    return StoreFlags(
        cache=settings.model_cache_dir,
        poll_seconds=max(settings.model_store_poll_wait_seconds, 0),
        settle_seconds=max(settings.version_settle_seconds, 0.0),
        answer_seconds=max(settings.model_store_timeout_seconds, 0.1),
    )
