"""Takes the first requests of a request log as the warm-up of a version that is not served yet.

Both are TFRecord files of PredictionLog messages, so records are copied as they are, and no TensorFlow is needed.
"""

import argparse
import itertools
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

WARMUP = Path("assets.extra", "tf_serving_warmup_requests")
LENGTH_AND_ITS_CHECKSUM = struct.Struct("<QI")
CHECKSUM_BYTES = 4


def main() -> int:
    """Write the file; 1 if the logs have fewer records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, help="the server's --request_log_directory")
    parser.add_argument("version", type=Path, help="the directory of the version, not yet where it is served")
    parser.add_argument("--prefix", required=True, help="how the names of the logs begin: the name of the model")
    parser.add_argument("--records", type=int, default=20, help="how many to take, at most 1000")
    arguments = parser.parse_args()
    files = sorted(arguments.logs.glob(f"{arguments.prefix}-*.tfrecord"))
    records = itertools.chain.from_iterable(read(file) for file in files)
    taken = list(itertools.islice(records, arguments.records))
    if len(taken) < arguments.records:
        print(f"error: {len(taken)} records in {arguments.logs}, {arguments.records} expected", file=sys.stderr)
        return 1
    path: Path = arguments.version / WARMUP
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(taken))
    print(f"{path}: {len(taken)} records")
    return 0


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
