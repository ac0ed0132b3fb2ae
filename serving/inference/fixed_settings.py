"""What Triton's clients ask for beside the protocol, and there is one answer to here: traces, logs, shared memory."""

from collections.abc import Mapping
from types import MappingProxyType

TRACE_SETTINGS: Mapping[str, str | list[str]] = MappingProxyType(
    {"trace_level": ["OFF"], "trace_rate": "0", "trace_count": "0", "log_frequency": "0", "trace_file": ""}
)
"""Traces of Triton's kind, into files that a client names: there are none, whatever --tracing says."""

LOG_SETTINGS: Mapping[str, str | bool | int] = MappingProxyType(
    {
        "log_file": "",
        "log_info": True,
        "log_warning": True,
        "log_error": True,
        "log_verbose_level": 0,
        "log_format": "default",
    }
)

NO_TRACES = (
    "Trace settings cannot be changed: this server writes no traces of Triton's kind; expected the flag --tracing, "
    "which sends OpenTelemetry's"
)
NO_LOGGING = (
    "Log settings cannot be changed while the server runs; expected its flags, and TF_CPP_MIN_LOG_LEVEL in its "
    "environment"
)
NO_MEMORY = (
    "Shared memory cannot be registered: this server takes no memory of its clients; expected tensors in requests "
    "and answers"
)
