"""Takes the first requests of a request log as the warm-up of a version that is not served yet.

Both are TFRecord files of PredictionLog messages, so records are copied as they are, and no TensorFlow is needed.
"""

import argparse
import itertools
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

WARMUP = Path("assets.extra", "tf_serving_warmup_requests")
LENGTH_AND_ITS_CHECKSUM = struct.Struct("<QI")
CHECKSUM_BYTES = 4
MOST_RECORDS = 1000
"""More make the server refuse the version."""


def main() -> int:
    """Write the file; 1 and a sentence if that was not possible, as when the logs have fewer records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, help="the server's --request_log_directory")
    parser.add_argument("version", type=Path, help="the directory of the version, not yet where it is served")
    parser.add_argument("--prefix", required=True, help="of the logs: the name of the model, or its filename_prefix")
    parser.add_argument("--records", type=int, default=20, help=f"how many to take, at most {MOST_RECORDS}")
    arguments = parser.parse_args()
    if not 1 <= arguments.records <= MOST_RECORDS:
        parser.error(f"--records is 1 to {MOST_RECORDS}, not {arguments.records}")
    try:
        write(arguments.version / WARMUP, first_records(arguments.logs, arguments.prefix, arguments.records))
    except OSError as error:
        raise SystemExit(f"error: {error}") from None
    return 0


def write(path: Path, records: list[bytes]) -> None:
    """Make the file and its directory, in a version that is there. Raises OSError."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(records))
    print(f"{path}: {len(records)} records")


def first_records(logs: Path, prefix: str, count: int) -> list[bytes]:
    """So many records of the oldest logs. Raises OSError, and SystemExit if there are fewer."""
    # What follows the prefix is the date, the time and a number, so that the logs of `a` are told from those of `a-b`.
    name = re.compile(re.escape(quote(prefix, safe="")) + r"-\d{8}-\d{6}-\d{4,}\.tfrecord")
    files = sorted(path for path in logs.iterdir() if name.fullmatch(path.name))
    records = itertools.chain.from_iterable(read(file) for file in files)
    taken = list(itertools.islice(records, count))
    if len(taken) < count:
        raise SystemExit(f"error: {len(taken)} records of {prefix} in {logs}, {count} expected")
    return taken


def read(path: Path) -> Iterator[bytes]:
    """The records of a file, each with its length and checksums; one that is still being written is left out."""
    data = path.read_bytes()
    at = 0
    while at + LENGTH_AND_ITS_CHECKSUM.size <= len(data):
        length, _ = LENGTH_AND_ITS_CHECKSUM.unpack_from(data, at)
        end = at + LENGTH_AND_ITS_CHECKSUM.size + length + CHECKSUM_BYTES
        if end > len(data):
            return
        yield data[at:end]
        at = end


if __name__ == "__main__":
    sys.exit(main())
