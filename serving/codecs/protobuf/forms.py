"""A memory for the forms of requests: what one client sends differs mostly in the numbers alone.

A form is a request without the numbers in it. A request of a known form is told by comparing bytes, and its tensors are
views of the payload: no message is built and nothing is copied. Every other request is parsed, and a reader without
any form gives the same answers.
"""

from collections.abc import Callable, Sequence
from itertools import count, islice, pairwise
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.codecs.protobuf import wire
from serving.core.tensor import DataType, Tensor, truths

_MOST_FORMS = 256
_MOST_OF_A_LENGTH = 4
LARGEST_FRAME = 4096
"""Bytes that are kept of a request: names, sizes, filters. Together with the other two: a megabyte at most."""
_MOST_FIELDS = 256
LEARN_EVERY = 8
"""One in so many requests of no known form is learned: it costs as much as answering, and clients repeat themselves."""

# The constructor of a NamedTuple is a function in Python, which takes longer.
_new, _view = tuple.__new__, np.frombuffer
_BOOL = DataType.BOOL

Known_co = TypeVar("Known_co", covariant=True)
Request = TypeVar("Request")


class Form(Protocol[Known_co]):
    """One form."""

    def read(self, payload: bytes) -> Known_co | None:
        """The request that a payload of this form's length is, None if it is of another form."""
        ...


class Numbers(NamedTuple):
    """Where the elements of one tensor lie in a request, and what they are."""

    dtype: DataType
    storage: np.dtype[Any]
    shape: tuple[int, ...]
    size: int
    start: int
    end: int


class Frame:
    """The bytes of a request around its tensors' elements, and around ``gaps`` that may be anything as well.

    ``tensors`` are in the order in which they are wanted, which need not be that in which they lie.
    """

    __slots__ = ("_between", "_head", "_places", "_tail")

    def __init__(self, payload: bytes, tensors: Sequence[Numbers], gaps: Sequence[tuple[int, int]] = ()) -> None:
        self._places = tuple(
            (each.dtype, each.storage, each.size, each.start, None if len(each.shape) == 1 else each.shape)
            for each in tensors
        )
        slots = sorted([*((each.start, each.end) for each in tensors), *gaps])
        self._head, self._tail = payload[: slots[0][0]], payload[slots[-1][1] :]
        between = [slice(one[1], following[0]) for one, following in pairwise(slots)]
        self._between = tuple((gap, payload[gap]) for gap in between)

    def tensors(self, payload: bytes) -> list[Tensor] | None:
        """The tensors of a payload of this length, None if its frame is another."""
        if not (payload.startswith(self._head) and payload.endswith(self._tail)):
            return None
        for gap, between in self._between:
            if payload[gap] != between:
                return None
        tensors = []
        for dtype, storage, size, start, shape in self._places:
            array: NDArray[Any] = _view(payload, storage, size, start)
            if dtype is _BOOL:
                array = truths(array)
            tensors.append(_new(Tensor, (dtype, array if shape is None else array.reshape(shape))))
        return tensors


class FormReader(Generic[Request]):
    """Reads serialised requests and learns their forms, one in ``learn_every`` that it does not know. Thread-safe.

    ``parse`` reads any request; ``form`` gives the form of one that was parsed, None if it has none, and may raise
    ValueError for that as well.
    """

    def __init__(
        self,
        parse: Callable[[bytes], Request],
        form: Callable[[bytes, Request], Form[Request] | None],
        learn_every: int = LEARN_EVERY,
    ) -> None:
        self._forms: dict[int, tuple[Form[Request], ...]] = {}
        self._parse = parse
        self._form = form
        self._learn_every = learn_every
        self._unknown = count()

    def known(self, payload: bytes) -> Request | None:
        """The request if its form is known, which takes microseconds at any size."""
        for form in self._forms.get(len(payload), ()):
            request = form.read(payload)
            if request is not None:
                return request
        return None

    def read(self, payload: bytes) -> Request:
        """The request. Raises protobuf's DecodeError if the bytes are none, and what ``parse`` raises."""
        request = self.known(payload)
        if request is not None:
            return request
        request = self._parse(payload)
        if next(self._unknown) % self._learn_every == 0:
            self._learn(payload, request)
        return request

    def _learn(self, payload: bytes, request: Request) -> None:
        try:
            form = self._form(payload, request)
        except ValueError:  # a group, in what is no field of ours; or fields without end
            form = None
        if form is None:
            return
        forms = dict(self._forms)  # replaced whole: other threads are reading
        forms[len(payload)] = (form, *forms.pop(len(payload), ()))[:_MOST_OF_A_LENGTH]
        if len(forms) > _MOST_FORMS:
            del forms[next(iter(forms))]
        self._forms = forms


def few_fields(payload: bytes, start: int, stop: int) -> list[tuple[int, int, int]]:
    """The fields of what may be part of a form. Raises ValueError if they are more than any form has."""
    fields = list(islice(wire.fields(payload, start, stop), _MOST_FIELDS + 1))
    if len(fields) > _MOST_FIELDS:
        raise ValueError(f"more than {_MOST_FIELDS} fields")
    return fields
