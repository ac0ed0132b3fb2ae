"""The command ``tensorflow_model_server``, also ``python -m serving``: its first lines and its last.

What the first lines do not need is imported later: a signal is to find its handler before the imports, which take a
moment.
"""

import os

from serving.host import standard_descriptors, stop_signals


def console() -> None:
    """The program, which ends the process: with ``cli.main``'s status, and without waiting for anybody.

    A call that outlived its drain keeps a thread busy, and TensorFlow's destructors race with its own threads; neither
    may keep the process from ending.
    """
    standard_descriptors.hold()
    stop_signals.end_the_start()
    standard_descriptors.never_wait()
    from serving.telemetry import log

    log.set_up()
    stop_signals.before_the_end(log.flush)
    from serving.cli import main

    status = main()
    log.flush()
    os._exit(status)


if __name__ == "__main__":
    console()
