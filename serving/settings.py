"""FLAGS, the one table of flags, and the frozen Settings that a command line becomes (docs/compatibility.md, "Flags").

The syntax is TensorFlow's: ``--name=value`` only, the last occurrence wins, unknown arguments are passed over.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, Self, dataclass_transform

Value = str | bool | int | float


class Flag(NamedTuple):
    """One flag. ``kind`` is the word of the usage text; ``per_cpu`` makes the default a multiple of the CPUs.

    ``note`` says what a flag does not do here; it is printed when the flag is given, and shown in docs/flags.md.
    ``choices`` are all values that it takes, if they are few. What a ``repeated`` flag is given more than once is one
    comma-separated value.
    """

    name: str
    kind: str
    default: Value
    group: str
    help: str
    per_cpu: int = 0
    ours: bool = False
    note: str = ""
    choices: tuple[str, ...] = ()
    repeated: bool = False


def _flag(kind: str, default: Value, group: str, help: str, **more: Any) -> Any:
    return Flag(name="", kind=kind, default=default, group=group, help=help, **more)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class _Frozen:
    """A frozen dataclass to whoever reads or checks the code; made without ``dataclasses``.

    That module, and what it compiles for 130 fields, took as long as everything else that a mistyped flag is told by.
    """

    def __init__(self, **values: Value) -> None:
        if unknown := values.keys() - _BY_NAME.keys():
            raise TypeError(f"no flags: {', '.join(sorted(unknown))}")
        self.__dict__.update({flag.name: flag.default for flag in FLAGS} | values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be changed: settings are for the life of a server")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def replaced(self, **values: Any) -> Self:
        """With these values in place of its own."""
        return type(self)(**vars(self) | values)


_XLA = "accepted; without effect: XLA is always allowed, and used by the functions that ask for it"
_GRPC, _REST, _MODELS, _BATCHING = "gRPC", "REST", "Models", "Batching"
_RUNTIME, _LIMITS, _RECORDS, _OTHER = "TensorFlow runtime", "Limits", "Records of requests", "Other"


class Settings(_Frozen):
    """Every setting of the process. Each field is a flag of the same name; the order is that of the usage text."""

    # fmt: off
    port: int = _flag("int32", 8500, _GRPC, "TCP port to listen on for the gRPC API. Disabled if 0; negative takes a free port and prints it.")
    grpc_socket_path: str = _flag("string", "", _GRPC, "If non-empty, also listen on this UNIX socket for the gRPC API.")
    rest_api_port: int = _flag("int32", 0, _REST, "TCP port to listen on for the REST API. Disabled if 0; must differ from --port; negative takes a free port and prints it.")
    rest_api_num_threads: int = _flag("int32", 0, _REST, "Threads for calls that are too slow to run in the REST loop. Default: 4 times the CPUs.", per_cpu=4)
    rest_api_timeout_in_ms: int = _flag("int32", 30000, _REST, "Time limit of a session run for a REST call, in milliseconds; none if not positive.")
    rest_api_enable_cors_support: bool = _flag("bool", False, _REST, "Add CORS headers to REST responses.")
    enable_batching: bool = _flag("bool", False, _BATCHING, "Merge requests into batches: more throughput of models that gain from it, at some cost per request.")
    allow_version_labels_for_unavailable_models: bool = _flag("bool", False, _MODELS, "Allow a new version label to point to a version that is not available yet.")
    batching_parameters_file: str = _flag("string", "", _BATCHING, "Text BatchingParameters; needs --enable_batching.")
    model_config_file: str = _flag("string", "", _MODELS, "Text ModelServerConfig of the models to serve; replaces --model_name and --model_base_path.")
    model_config_file_poll_wait_seconds: int = _flag("int32", 0, _MODELS, "Seconds between re-readings of --model_config_file; never if not positive.")
    model_name: str = _flag("string", "default", _MODELS, "Name of the one model to serve.")
    model_base_path: str = _flag("string", "", _MODELS, "Directory that contains the version directories of the one model to serve; absolute. Or an address in an object store, such as s3://BUCKET/PATH, or of an archive, https://HOST/PATH.tar.gz.")
    num_load_threads: int = _flag("int32", 0, _MODELS, "Versions loaded at the same time, each on a thread of its own. 0 is 4 times the CPUs.")
    num_unload_threads: int = _flag("int32", 0, _MODELS, "Versions unloaded at the same time. 0 is one.")
    max_num_load_retries: int = _flag("int32", 5, _MODELS, "How often a failed load of a version is tried again.")
    load_retry_interval_micros: int = _flag("int64", 60_000_000, _MODELS, "Microseconds between the attempts to load a version; no wait if negative.")
    file_system_poll_wait_seconds: int = _flag("int32", 1, _MODELS, "Seconds between scans for versions; 0 scans once, negative never.")
    flush_filesystem_caches: bool = _flag("bool", True, _MODELS, "Flush file-system caches after loads.", note="accepted; without effect: local file systems need no flush")
    tensorflow_session_parallelism: int = _flag("int64", 0, _RUNTIME, "Threads within and between operations; 0 lets TensorFlow decide.")
    tensorflow_intra_op_parallelism: int = _flag("int64", 0, _RUNTIME, "Threads within an operation; 0 lets TensorFlow decide.")
    tensorflow_inter_op_parallelism: int = _flag("int64", 0, _RUNTIME, "Threads between operations; 0 lets TensorFlow decide.")
    use_alts_credentials: bool = _flag("bool", False, _GRPC, "Use Google ALTS credentials; works on Google Cloud only, elsewhere the start fails. Excludes --ssl_config_file.")
    ssl_config_file: str = _flag("string", "", _GRPC, "Text SSLConfig for the gRPC API: PEM texts of key, certificate and authorities, and whether clients need a certificate. Plain text without it.")
    platform_config_file: str = _flag("string", "", _MODELS, "Text PlatformConfigMap; replaces the session, batching, warm-up and TFLite flags.")
    per_process_gpu_memory_fraction: float = _flag("float", 0.0, _RUNTIME, "Share of a GPU's memory to take at start. 0 takes memory as it is needed, up to all of it.")
    saved_model_tags: str = _flag("string", "serve", _MODELS, "Comma-separated tags of the MetaGraph to load; the sets must be equal.")
    grpc_channel_arguments: str = _flag("string", "", _GRPC, "Comma-separated key=value arguments for the gRPC server.")
    grpc_max_threads: int = _flag("int32", 0, _GRPC, "Threads that answer gRPC calls; further calls that take long wait for a second and are then refused. Default: 4 times the CPUs.", per_cpu=4)
    enable_model_warmup: bool = _flag("bool", True, _MODELS, "Replay assets.extra/tf_serving_warmup_requests before a version is available.")
    num_request_iterations_for_warmup: int = _flag("int32", 0, _MODELS, "How often each warm-up record is replayed; once if not positive.")
    version: bool = _flag("bool", False, _OTHER, "Print the versions of the server and of TensorFlow, and exit.")
    monitoring_config_file: str = _flag("string", "", _OTHER, "Text MonitoringConfig: whether and where the REST port shows metrics for Prometheus, besides /metrics. Read if there is a REST port. Without it they are shown at /monitoring/prometheus/metrics too.")
    remove_unused_fields_from_bundle_metagraph: bool = _flag("bool", True, _MODELS, "Keep only the signatures of the MetaGraph.", note="accepted; without effect: only the signatures are ever kept")
    prefer_tflite_model: bool = _flag("bool", False, _MODELS, "Serve model.tflite of a version directory if it is there; needs the package ai-edge-litert.")
    num_tflite_pools: int = _flag("int32", 0, _MODELS, "TFLite interpreters per model: calls that can run at the same time. Default: the CPUs.", per_cpu=1)
    num_tflite_interpreters_per_pool: int = _flag("int32", 1, _MODELS, "TFLite interpreters per pool.", note="accepted; without effect: --enable_batching merges calls, also of TFLite models")
    enable_signature_method_name_check: bool = _flag("bool", False, _MODELS, "Refuse signatures whose method name does not fit the call.")
    enable_profiler: bool = _flag("bool", True, _GRPC, "Register the profiler service on the gRPC port.", note="accepted; without effect: there is no profiler service")
    enable_grpc_healthcheck_service: bool = _flag("bool", False, _GRPC, "Register the standard gRPC health service.")
    enable_per_model_batching_parameters: bool = _flag("bool", False, _BATCHING, "Batch only versions with a batching_params.pbtxt in their directory, each by its own.")
    enable_serialization_as_tensor_content: bool = _flag("bool", False, _GRPC, "Answer Predict with tensor_content instead of the typed fields.")
    mixed_precision: str = _flag("string", "", _RUNTIME, "bfloat16 turns on automatic mixed precision.")
    skip_initialize_tpu: bool = _flag("bool", False, _RUNTIME, "For TPU builds.", note="accepted; without effect: there are no TPU builds")
    thread_pool_factory_config_file: str = _flag("string", "", _RUNTIME, "Text ThreadPoolFactoryConfig; an error at start, for there are no factories.")
    tensorflow_session_config_file: str = _flag("string", "", _RUNTIME, "Text ConfigProto of the sessions; threads and GPU memory come from their flags.")
    xla_cpu_compilation_enabled: bool = _flag("bool", False, _RUNTIME, "Allow XLA on the CPU.", note=_XLA)
    xla_gpu_compilation_enabled: bool = _flag("bool", False, _RUNTIME, "Allow XLA on GPUs.", note=_XLA)
    # Ours: what tensorflow_model_server lacks.
    custom_op_libraries: str = _flag("string", "", _MODELS, "Comma-separated shared libraries with custom operations and kernels, or directories of them, loaded in this order before any model.", ours=True)
    version_settle_seconds: float = _flag("float", 2.0, _MODELS, "Seconds for which nothing in a version's directory may have changed before it is loaded, so that none is loaded that is still being copied; older ones wait for nothing. 0 loads at once.", ours=True)
    model_cache_dir: str = _flag("string", "", _MODELS, "Directory that versions from object stores and the web are fetched to; made if it is missing, and several servers may share it. Without it a directory for this user below that for temporary files.", ours=True)
    model_store_poll_wait_seconds: int = _flag("int32", 30, _MODELS, "Seconds between two looks at each object store for versions; not positive looks once, and again at a reload.", ours=True)
    model_store_timeout_seconds: float = _flag("float", 30.0, _MODELS, "Seconds that an object store may take for one answer, such as a list or a piece of a file; then it is asked again.", ours=True)
    memory_budget_mb: int = _flag("int32", 0, _MODELS, "MiB that the server may hold, models and all. A version that does not fit is refused, with the figures as its status. 0 is what the container may use, without a limit if it has none; negative refuses nothing.", ours=True)
    lazy_load: bool = _flag("bool", False, _MODELS, "Load a model when the first request for it comes, which waits for that; models without requests make room for it if --memory_budget_mb says so, the longest unused first.", ours=True)
    lazy_load_timeout_seconds: float = _flag("float", 60.0, _MODELS, "Seconds that a request waits for its model with --lazy_load, if its deadline does not come first.", ours=True)
    pin_models: str = _flag("string", "", _MODELS, "Comma-separated names of models that --lazy_load leaves alone: they are loaded at the start and stay.", ours=True)
    allow_any_base_path: bool = _flag("bool", False, _MODELS, "Let a reload or a load by request name any base path. Without it, those below the parents of the base paths given by flags or in --model_config_file, unless its API key has the right admin.", ours=True)
    allow_model_control: bool = _flag("bool", True, _MODELS, "Let requests load and unload single models and move labels, at the REST port as well; with --api_keys_file they need the right admin. Without it, models change by reloads alone.", ours=True)
    shadow: str = _flag("string", "", _MODELS, "Send a share of the requests for a model to another version as well, once they are answered, and compare: MODEL:VERSION:SHARE, such as resnet:124:0.1, comma-separated or one flag for each model.", ours=True, repeated=True)
    optimize: str = _flag("string", "safe", _RUNTIME, "Serve models by the fastest engine that agrees with TensorFlow, if they gain from it: off, safe (same precision) or fast (bfloat16 or float16 where the CPU computes with it).", ours=True, choices=("off", "safe", "fast"))
    optimize_engines: str = _flag("string", "tensorflow,openvino", _RUNTIME, "What is tried beside the graph as it is saved: tensorflow (its own optimised graph), openvino (if the package openvino is installed), or both.", ours=True)
    optimize_wait: bool = _flag("bool", False, _RUNTIME, "Make a version available only when everything was tried. Without it, it is served as it is saved until then, and changes its engine between two requests.", ours=True)
    optimize_max_weights_bytes: int = _flag("int64", 512 * 2**20, _RUNTIME, "Models with more weights than this are not optimised, in bytes.", ours=True)
    optimize_cache_dir: str = _flag("string", "", _RUNTIME, "Directory in which optimised graphs, and SavedModels made of Keras files, are kept between starts; made if it is missing. Nobody else may write to it.", ours=True)
    require_gpu: bool = _flag("bool", False, _RUNTIME, "End at start, with the reason, if no GPU can be used. Without it, the models then run on the CPU.", ours=True)
    grpc_transport: str = _flag("string", "native", _GRPC, "What carries the gRPC API: native (HTTP/2 outside the GIL), or grpcio; flags that native has no means for select grpcio.", ours=True, choices=("native", "grpcio"))
    grpc_bind_address: str = _flag("string", "", _GRPC, "Comma-separated IP addresses or host names of this machine at which --port is opened; a name is all its addresses, [::] is IPv6 and IPv4, 0.0.0.0 IPv4 alone. Without it every address, of both families where there is IPv6.", ours=True)
    rest_api_bind_address: str = _flag("string", "", _REST, "The same for --rest_api_port; if it cannot be opened there, the start fails.", ours=True)
    rest_api_ssl_config_file: str = _flag("string", "", _REST, "Text SSLConfig for the REST API, as for --ssl_config_file; HTTPS on --rest_api_port, probes included.", ours=True)
    rest_api_open_early: bool = _flag("bool", False, _REST, "Open the REST port before the models are loaded: probes are answered at once, everything else with 503. Without it the port opens when every model is available, as the gRPC port.", ours=True)
    rest_api_required: bool = _flag("bool", False, _REST, "End the start if the REST port cannot be had; TensorFlow Serving, and by default this server, goes on with gRPC alone.", ours=True)
    rest_api_keepalive_seconds: float = _flag("float", 3630.0, _REST, "Seconds for which a REST connection may be idle between two requests; longer than the proxies in front keep theirs. No limit if not positive.", ours=True)
    rest_api_cors_allowed_origins: str = _flag("string", "", _REST, "Comma-separated origins, as in https://app.example, whose scripts may read REST answers and send keys, in place of all sites' by --rest_api_enable_cors_support.", ours=True)
    rest_api_grpc_web: bool = _flag("bool", False, _REST, "Answer gRPC-Web at the REST port: the gRPC API's unary calls, reload among them, for scripts in browsers. Those of other sites need --rest_api_cors_allowed_origins.", ours=True)
    enable_ui: bool = _flag("bool", True, _REST, "Have a page for people at /ui/ of the REST port: models and versions as they change, requests to try, charts; / leads browsers there. With --api_keys_file what it shows needs the right read.", ours=True)
    rest_small_request_lane: bool = _flag("bool", True, _REST, "Answer plain POSTs of less than 4 MiB without aiohttp's parser and tasks, as long as a connection sends nothing else.", ours=True)
    rest_exact_digits: bool = _flag("bool", False, _REST, "Write all floats with the digits of TensorFlow Serving. Without it, outputs of more than 4096 floats in answers to Predict have the shortest digits that give the same values, which is faster.", ours=True)
    rest_api_max_head_bytes: int = _flag("int32", 65536, _REST, "Largest head of a REST request, in bytes: request line and headers; no limit if not positive.", ours=True)
    rest_api_head_timeout_seconds: float = _flag("float", 60.0, _REST, "Seconds in which the head of a REST request must be complete once it has begun, and a new connection must begin one; none if not positive.", ours=True)
    rest_api_body_timeout_seconds: float = _flag("float", 60.0, _REST, "Seconds in which the body of a REST request must be complete, besides what --rest_api_min_body_bytes_per_second allows for its size; none if not positive.", ours=True)
    rest_api_min_body_bytes_per_second: int = _flag("int32", 100, _REST, "Rate at which a REST request's body must come in all, after --rest_api_body_timeout_seconds; if not positive size buys no time.", ours=True)
    rest_api_max_connections: int = _flag("int32", 0, _REST, "REST connections that may be open; more are answered 429. No limit if not positive.", ours=True)
    rest_api_max_connections_per_peer: int = _flag("int32", 0, _REST, "REST connections that one client address may have open; more are answered 429. No limit if not positive.", ours=True)
    sagemaker: bool = _flag("bool", False, _REST, "Answer SageMaker's paths /ping and /invocations on the REST port, and serve what lies below --sagemaker_model_directory if no flag names models. The argument serve and SageMaker's variables turn it on.", ours=True)
    sagemaker_multi_model: bool = _flag("bool", False, _REST, "Answer SageMaker's paths /models and below, too: models are loaded, listed, unloaded and invoked one by one. Needs --sagemaker.", ours=True)
    sagemaker_model_directory: str = _flag("string", "", _REST, "Directory in which --sagemaker looks for SavedModels at the start, each in a version directory: its parent is the model. With --sagemaker_multi_model, models below it may be loaded. If empty /opt/ml/model, or /opt/ml/models.", ours=True)
    vertex_ai_predict_route: str = _flag("string", "", _REST, "Path of the REST port at which Vertex AI asks for predictions, as AIP_PREDICT_ROUTE says it; none if empty.", ours=True)
    vertex_ai_health_route: str = _flag("string", "", _REST, "Path at which Vertex AI asks whether the server is ready, as AIP_HEALTH_ROUTE says it; none if empty.", ours=True)
    default_model: str = _flag("string", "", _REST, "Name of the model that SageMaker's and Vertex AI's requests are for which name none. Without it that is the only one, if there is one only.", ours=True)
    max_in_flight: int = _flag("int32", 0, _LIMITS, "Requests for models, at both APIs, that may be in flight at a time; more wait, as --max_waiting_requests says, or are refused. No limit if not positive.", ours=True)
    max_in_flight_per_model: int = _flag("int32", 0, _LIMITS, "The same for the requests of one model.", ours=True)
    adaptive_in_flight: bool = _flag("bool", False, _LIMITS, "Measure how many requests of each model may be in flight: as many as take no longer than few do. --max_in_flight_per_model then is the most.", ours=True)
    max_waiting_requests: int = _flag("int32", -1, _LIMITS, "Requests that may wait for others in flight to end, by x-priority and then in their order; more are refused. Negative is as many as may be in flight, or 4 with --adaptive_in_flight alone.", ours=True)
    max_wait_seconds: float = _flag("float", 1.0, _LIMITS, "Seconds that a request may wait so; then it is refused.", ours=True)
    access_log: str = _flag("string", "", _RECORDS, "Write a line for each request to standard output, as text or json; none if empty.", ours=True, choices=("", "text", "json"))
    access_log_sampling_rate: float = _flag("float", 1.0, _RECORDS, "Share of the requests that have a line in the access log, from 0 to 1.", ours=True)
    access_log_slow_ms: float = _flag("float", 0.0, _RECORDS, "Milliseconds from which on a request has a line in the access log whatever was drawn, as those that fail have then; 0 is off.", ours=True)
    request_ids: bool = _flag("bool", False, _RECORDS, "Give each request an id, from x-request-id or traceparent or a new one, which its answer and the log's lines about it say. --access_log, --server_timing and --tracing do so, too.", ours=True)
    tracing: str = _flag("string", "", _RECORDS, "Send traces of requests to an OpenTelemetry collector: otlp; none if empty. Needs the extra tracing; OpenTelemetry's environment variables say where to, and of which requests.", ours=True, choices=("", "otlp"))
    server_timing: bool = _flag("bool", False, _RECORDS, "Say in each answer where its time went: Server-Timing, over gRPC in the trailing metadata.", ours=True)
    grpc_max_concurrent_streams: int = _flag("int32", 0, _GRPC, "Calls that one gRPC connection may have open; its client keeps further ones back. If not positive that is the transport's own limit: 1024 with native, none with grpcio.", ours=True)
    grpc_max_connection_age_seconds: float = _flag("float", 0.0, _GRPC, "Seconds after which a gRPC connection is told to go elsewhere, a tenth more or less so that they do not all go at once: balancers and round_robin find new replicas by it. 0 is never.", ours=True)
    grpc_max_connection_age_grace_seconds: float = _flag("float", 0.0, _GRPC, "Seconds that calls have left when their connection is old, until it is closed. 0 is as long as they take.", ours=True)
    grpc_keepalive_time_ms: int = _flag("int32", 0, _GRPC, "Milliseconds without a sign from a client after which the server pings it. If not positive that is two hours, the default of gRPC.", ours=True)
    grpc_keepalive_timeout_ms: int = _flag("int32", 0, _GRPC, "Milliseconds until a connection whose client does not answer a ping is closed. If not positive that is 20,000, the default of gRPC.", ours=True)
    grpc_keepalive_permit_without_calls: bool = _flag("bool", False, _GRPC, "Ping clients that have no call under way too, and with grpcio let them do the same.", ours=True)
    grpc_min_recv_ping_interval_ms: int = _flag("int32", 0, _GRPC, "Milliseconds that a client must leave between pings while no data goes; for the third that comes too early its connection ends with ENHANCE_YOUR_CALM. It selects grpcio. If not positive, native answers all pings, and grpcio wants 300,000.", ours=True)
    api_keys_file: str = _flag("string", "", _OTHER, "JSON list of who may call at both APIs, by API key or by client certificate, and with which rights; read again when it changes. Without it everybody may.", ours=True)
    make_api_key: str = _flag("string", "", _OTHER, "Make an API key of this name, print it once, and exit. Its entry is appended to --api_keys_file, or printed without that flag.", ours=True)
    api_key_rights: str = _flag("string", "predict,read", _OTHER, "Comma-separated rights of the key that --make_api_key makes: predict, read, admin, metrics.", ours=True)
    api_key_models: str = _flag("string", "", _OTHER, "Comma-separated models that the key which --make_api_key makes is for; * stands for any characters. All without it.", ours=True)
    max_request_bytes: int = _flag("int64", 2**31 - 1, _OTHER, "Largest request at either API, in bytes.", ours=True)
    max_long_requests: int = _flag("int32", 64, _OTHER, "Requests at both APIs that take long to read or to answer, such as large, compressed or odd bodies, and are under way or wait for a thread at a time; more are refused.", ours=True)
    max_unsent_bytes: int = _flag("int64", 2**30, _OTHER, "Bytes of answers, at both APIs, that clients have not taken yet; beyond it further large answers are refused. No limit if not positive.", ours=True)
    max_run_seconds: float = _flag("float", 0.0, _RUNTIME, "Seconds that a model's run may take, at both APIs and whatever its caller grants; TensorFlow ends it then. 0 is without a limit.", ours=True)
    stuck_seconds: float = _flag("float", 0.0, _OTHER, "Seconds for which no run of a model has ended while calls wait for one, until readiness is off; it comes back when one ends. 0 is never.", ours=True)
    drain_delay_seconds: float = _flag("float", 0.3, _OTHER, "Seconds after SIGTERM for which both APIs still take new connections, though not ready: as long as balancers need to see that. Part of the grace.", ours=True)
    drain_grace_seconds: int = _flag("int32", 8, _OTHER, "Seconds that SIGTERM leaves for requests in flight to finish.", ours=True)
    metrics_per_version: bool = _flag("bool", False, _OTHER, "Count requests and their times by version and signature too, as :serving:requests, :serving:request_seconds and :serving:run_seconds beside TensorFlow Serving's metrics.", ours=True)
    log_format: str = _flag("string", "text", _OTHER, "How the lines on standard error are written: text, as TensorFlow Serving does, or json, one object a line.", ours=True, choices=("text", "json"))
    request_log_directory: str = _flag("string", "", _OTHER, "Directory for the requests of models that have a logging_config; made if it is missing.", ours=True)
    request_log_max_file_bytes: int = _flag("int64", 256 * 2**20, _OTHER, "Size at which a new file of logged requests is begun, in bytes.", ours=True)
    request_log_dc: str = _flag("string", "", _OTHER, "The data centre of this server, for the per_task_sampling_configs of a logging_config.", ours=True)
    request_log_task_index: int = _flag("int32", -1, _OTHER, "The number of this server among its like, for the same; none if negative.", ours=True)
    workers: str = _flag("string", "1", _RUNTIME, "Processes that serve, all at the same ports, each with the models and its share of the CPUs; auto is as many as the CPUs and the memory of the container allow.", ours=True)
    doctor: bool = _flag("bool", False, _OTHER, "Look for what would go wrong with these flags, files, models and this machine, print it as a table with what to do, and end: status 1 if something fails, otherwise 0. Nothing is served.", ours=True)
    dry_run: bool = _flag("bool", False, _OTHER, "Load every model as a start does, make one made-up request for each signature, print what came of it, and end: status 1 if one failed, otherwise 0. No port is opened.", ours=True)
    # fmt: on


def _table() -> tuple[Flag, ...]:
    return tuple(each._replace(name=name) for name, each in vars(Settings).items() if isinstance(each, Flag))


FLAGS: tuple[Flag, ...] = _table()
_BY_NAME = {flag.name: flag for flag in FLAGS}


class Variables(NamedTuple):
    """What the process's environment says beside the flags."""

    otlp_protocol: str = ""
    """How --tracing sends."""
    cpu_note: str = ""
    """What the image's entrypoint has found of the CPU, to be said once the server serves."""


class CommandLine(NamedTuple):
    """What an argument vector says: settings, arguments not understood, and the flags that were given."""

    settings: Settings
    unknown: tuple[str, ...]
    given: frozenset[str]


class BadFlagError(Exception):
    """A value that a flag cannot take; the text is TensorFlow's, and what was expected."""


def parse(arguments: Sequence[str], cpus: int) -> CommandLine:
    """Settings from ``arguments`` (without the program's name). Raises BadFlagError."""
    values: dict[str, Value] = {flag.name: flag.per_cpu * cpus for flag in FLAGS if flag.per_cpu}
    unknown: list[str] = []
    given: set[str] = set()
    for position, argument in enumerate(arguments):
        if argument == "--":
            unknown.extend(arguments[position:])
            break
        name, equals, text = argument.removeprefix("--").partition("=")
        flag = _BY_NAME.get(name) if argument.startswith("--") else None
        if flag is None or not (equals or flag.kind == "bool"):
            unknown.append(argument)
            continue
        value = _value(flag, text if equals else "true")
        values[name] = f"{values[name]},{value}" if flag.repeated and name in given else value
        given.add(name)
    return CommandLine(settings=Settings(**values), unknown=tuple(unknown), given=frozenset(given))  # type: ignore[arg-type]


# More digits are out of range, and int() refuses thousands of them, and blanks that are none in ASCII.
_INTEGER = r"\s*[+-]?[0-9]{1,30}"
_FLOAT = r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_RANGE = {"int32": 2**31, "int64": 2**63}
_EXPECTED = {
    "bool": "true, false, 1 or 0",
    "int32": "a decimal 32-bit integer",
    "int64": "a decimal 64-bit integer",
    "float": "a decimal number",
}


def _value(flag: Flag, text: str) -> Value:
    match flag.kind:
        case "string":
            return text
        case "bool" if text.lower() in ("true", "1"):
            return True
        case "bool" if text.lower() in ("false", "0"):
            return False
        case "float" if re.fullmatch(_FLOAT, text, re.ASCII):
            return float(text)
        case "int32" | "int64" if re.fullmatch(_INTEGER, text, re.ASCII):
            number = int(text)
            if -_RANGE[flag.kind] <= number < _RANGE[flag.kind]:
                return number
    raise BadFlagError(
        f"Couldn't interpret value {text} for flag {flag.name}. Expected {_EXPECTED[flag.kind]}, as in "
        f"--{flag.name}={_shown(flag.default)}"
    )


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def usage(program: str, cpus: int) -> str:
    """The usage text, laid out as TensorFlow's flag parser does."""
    lines = [f"usage: {program}", "Flags:"]
    for flag in FLAGS:
        default: Value = flag.per_cpu * cpus if flag.per_cpu else flag.default
        shown = f'"{default}"' if flag.kind == "string" else _shown(default)
        text = f"{flag.help} ({flag.note})" if flag.note else flag.help
        lines.append(f"\t{f'--{flag.name}={shown}':<33}\t{flag.kind}\t{text}")
    return "\n".join(lines) + "\n"
