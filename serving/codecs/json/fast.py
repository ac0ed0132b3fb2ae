"""The fast road for predict requests: numbers go from the text into a buffer without becoming Python objects.

It takes the usual bodies only, and takes them exactly as ``json_request.read_exactly`` would; whatever it is not sure
of it declines, errors included, and the exact road decides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from serving.codecs.json.literals import Literals, Span, read_literals
from serving.codecs.json.strings import encoded
from serving.core.signature import TensorInfo
from serving.core.tensor import Tensor


class Layout(Enum):
    """How a request nests its tensors, and with them its answer."""

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python, for each lookup

    ROW = "instances"
    COLUMNAR = "inputs"


_SPACE = rb"[ \n\r\t]*"
_NAME = rb'"([^"\\\x00-\x1f]*)"'
_SIGNATURE = rb'"signature_name"%b:%b%b%b' % (_SPACE, _SPACE, _NAME, _SPACE)
_HEAD = re.compile(rb'%b\{%b(?:%b,%b)?"(instances|inputs)"%b:%b' % ((_SPACE,) * 2 + (_SIGNATURE,) + (_SPACE,) * 3))
_TAIL = re.compile(rb"%b(?:,%b%b)?\}" % (_SPACE, _SPACE, _SIGNATURE))
_KEY = re.compile(rb"%b%b%b:%b" % (_SPACE, _NAME, _SPACE, _SPACE))
_FIRST_ROW = re.compile(rb"\[%b\{" % _SPACE)
_NEXT_ROW = re.compile(rb"%b,%b\{" % (_SPACE, _SPACE))
_LAST_ROW = re.compile(rb"%b\]" % _SPACE)
_DELIMITER = re.compile(rb"%b([,}])" % _SPACE)
_UNNAMED = b""
_MOST_NAMES = 16
"""Beyond it the exact road is cheaper: each name costs a parser, and its memory."""
_FEW_ROWS, _SHORT_ROW = 16, 256
"""More rows of fewer bytes than these are cheaper on the exact road, which reads them all at once."""

_LAYOUTS = {layout.value.encode(): layout for layout in Layout}


@dataclass(frozen=True, slots=True, kw_only=True)
class FastDocument:
    """A body that is valid as far as it counts: numbers only, for one unnamed or several named inputs."""

    signature_name: bytes
    layout: Layout
    named: bool
    values: Mapping[bytes, Literals]

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> dict[str, Tensor] | None:
        """The tensors by alias, or None if the exact road must decide."""
        if self.named:
            keys = {name: encoded(name) for name in inputs}
            if self.layout is Layout.ROW and self.values.keys() != set(keys.values()):
                return None
        elif len(inputs) == 1 and (self.layout is Layout.COLUMNAR or self.values[_UNNAMED].shape):
            keys = dict.fromkeys(inputs, _UNNAMED)
        else:
            return None
        found = {}
        for name, info in inputs.items():
            literals = self.values.get(keys[name])
            array = literals.array(info.dtype) if literals is not None else None
            if array is None:
                return None
            found[name] = Tensor(info.dtype, array)
        return found


_Texts = tuple[dict[bytes, list[Span]], int]
"""Where every value is by name, one per row, and the offset behind the last one."""


def scan(body: bytes) -> FastDocument | None:
    """Read ``body`` up to the brace that closes it, or None if the exact road must decide."""
    head = _HEAD.match(body)
    if head is None:
        return None
    layout, start = _LAYOUTS[head[2]], head.end()
    rows = _FIRST_ROW.match(body, start) if layout is Layout.ROW else None
    named = rows is not None or (layout is Layout.COLUMNAR and body.startswith(b"{", start))
    if rows is not None:
        texts = _rows(body, rows.end())
    elif named:
        texts = _members(body, start + 1)
    else:
        span = _value(body, start)
        texts = {_UNNAMED: [span]}, span[1]
    tail = _TAIL.match(body, texts[1]) if texts is not None else None
    if texts is None or tail is None:
        return None
    values = {}
    for name, found in texts[0].items():
        literals = read_literals(body, found, stacked=rows is not None)
        if literals is None:
            return None
        values[name] = literals
    signature_name = head[1] if head[1] is not None else tail[1] or b""
    return FastDocument(signature_name=signature_name, layout=layout, named=named, values=values)


def _value(body: bytes, start: int) -> Span:
    """From ``start`` to the next key or closing brace, without the comma."""
    # The quote first: only the last value has none behind it, so that no stretch of the body is searched often.
    quote = body.find(b'"', start)
    brace = body.find(b"}", start, quote if quote >= 0 else len(body))
    if brace >= 0 or quote < 0:
        return start, max(brace, start)
    comma = body.rfind(b",", start, quote)
    return start, quote if comma < 0 or body[comma + 1 : quote].strip(b" \n\r\t") else comma


def _members(body: bytes, start: int) -> _Texts | None:
    """The members of the object that opened before ``start``, each one value; None if a key comes twice."""
    by_name: dict[bytes, list[Span]] = {}
    while True:
        key = _KEY.match(body, start)
        if key is None or key[1] in by_name:
            return None
        span = _value(body, key.end())
        by_name[key[1]] = [span]
        delimiter = _DELIMITER.match(body, span[1])
        if delimiter is None or len(by_name) > _MOST_NAMES:
            return None
        start = delimiter.end()
        if delimiter[1] == b"}":
            return by_name, start


def _rows(body: bytes, start: int) -> _Texts | None:
    """The members of a list of objects whose first one opened before ``start``; all have the same keys."""
    by_name: dict[bytes, list[Span]] = {}
    count, begin = 0, start
    while True:
        row = _members(body, start)
        if row is None:
            return None
        count += 1
        for name, texts in row[0].items():
            by_name.setdefault(name, []).extend(texts)
        following = _NEXT_ROW.match(body, row[1])
        if count == _FEW_ROWS and row[1] - begin < count * _SHORT_ROW:
            return None
        if following is None:
            break
        start = following.end()
    last = _LAST_ROW.match(body, row[1])
    if last is None or any(len(texts) != count for texts in by_name.values()):
        return None
    return by_name, last.end()
