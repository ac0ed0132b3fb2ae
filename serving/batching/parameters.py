"""The settings of batching as values, checked; docs/models.md, "Batching", has their meaning. No file format."""

from dataclasses import dataclass

from serving.core.batch_queue import QueueOptions
from serving.errors import invalid_configuration

THREAD_POOL_NAME = "batch_threads"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingParameters:
    """The fields of the message of this name; sizes are in rows.

    ``max_execution_batch_size`` counts only with ``enable_large_batch_splitting``; None is ``max_batch_size``.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 1
    thread_pool_name: str = THREAD_POOL_NAME
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    def check_threads(self) -> None:
        """Raise ConfigurationError unless there is a thread; what is left belongs to the models."""
        _check_positive("num_batch_threads", self.num_batch_threads)

    def queue_options(self) -> QueueOptions:
        """What the queues of a model go by. INVALID_ARGUMENT, a ConfigurationError, for what cannot be."""
        self._check_allowed_sizes()
        splitting = self.enable_large_batch_splitting
        options = QueueOptions(
            max_batch_size=self.max_batch_size,
            batch_timeout_micros=self.batch_timeout_micros,
            max_enqueued_batches=self.max_enqueued_batches or int(not splitting),
            splitting=splitting,
            max_execution_batch_size=self._execution_size,
        )
        _check(options)
        return options

    def padded(self, rows: int) -> int:
        """How large a batch of ``rows`` is made: the first allowed size that holds it, or as it is if none does."""
        if not rows or not self.allowed_batch_sizes:
            return rows  # of none there is no row that could be repeated
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)

    @property
    def _execution_size(self) -> int:
        size = self.max_execution_batch_size
        return self.max_batch_size if size is None else size

    def _check_allowed_sizes(self) -> None:
        sizes = self.allowed_batch_sizes
        if sizes and sizes[-1] != self.max_batch_size:
            raise invalid_configuration(
                f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {sizes[-1]}; "
                f"expected {self.max_batch_size}"
            )


def _check(options: QueueOptions) -> None:
    _check_positive("input_batch_size_limit", options.max_batch_size)
    if options.batch_timeout_micros < 0:
        raise invalid_configuration(f"batch_timeout_micros must be non-negative; was {options.batch_timeout_micros}")
    _check_positive("max_enqueued_batches", options.max_enqueued_batches)
    if options.splitting:
        _check_positive("max_execution_batch_size", options.max_execution_batch_size)
        if options.max_batch_size < options.max_execution_batch_size:
            raise invalid_configuration(
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
                "max_execution_batch_size."
            )


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise invalid_configuration(f"{name} must be positive; was {value}")
