"""One of the processes of `longshore worker --processes N`: hides that there are others.

Started by `worker.supervisor`: `python -m worker.child NUMBER PORT CHANNEL`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from structlog.contextvars import bind_contextvars

from config.errors import LongshoreError
from config.settings import Settings
from worker.lifeline import Lifeline
from worker.main import run


def main(arguments: Sequence[str]) -> int:
    """Work as process NUMBER with metrics on PORT, until told to stop or until the other end of CHANNEL is gone."""
    number, port, channel = map(int, arguments)
    bind_contextvars(process=number)  # each line of the log tells it
    lifeline = Lifeline(socket.socket(fileno=channel))
    try:
        return run(Settings.load().model_copy(update={"metrics_port": port}), lifeline=lifeline)
    except LongshoreError as error:
        if not lifeline.refuse(error):
            sys.stderr.write(f"error: {error.message}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
