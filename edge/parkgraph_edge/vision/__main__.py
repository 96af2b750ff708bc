"""The vision process: `python -m parkgraph_edge.vision`. The gateway starts it, nobody else does.

It reads lines from stdin and writes lines to stdout, as `messages` says, and ends with stdin.
"""

import os
import signal
import sys
from threading import Thread
from typing import BinaryIO, Final

import cv2
import structlog
from pydantic import ValidationError

from parkgraph.runtime import logs
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.vision.brought import plate_reader
from parkgraph_edge.vision.messages import LONGEST_LINE, Attend, Message, Start
from parkgraph_edge.vision.worker import Worker

log = structlog.get_logger(__name__)

REFUSED: Final = 2


def main() -> None:
    """Read plates until stdin ends."""
    # Ctrl-C at a terminal reaches the gateway, too, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.set_up()
    os.nice(5)  # The ledger and the lanes go first.
    cv2.setNumThreads(1)
    # What a library prints must not get between the lines.
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def write(message: Message) -> None:
        os.write(out, message.line())

    first = sys.stdin.buffer.readline(LONGEST_LINE)
    if not first:
        return
    start = Start.model_validate_json(first)
    cameras = {address.camera: address.url for address in start.cameras}
    try:
        plates = plate_reader(start.detector, start.reader, start.countries)
    except RefusedError as error:
        log.error("weights_refused", reason=str(error))  # noqa: TRY400 (the reason says it all)
        sys.exit(REFUSED)
    worker = Worker(cameras, plates.read_plates, write, SystemClock())
    Thread(target=listen, args=(sys.stdin.buffer, worker), daemon=True).start()
    try:
        worker.run()
    except BrokenPipeError:
        log.info("gateway_gone")
    # A camera's thread may sit in a codec, which does not survive the interpreter's own end.
    os._exit(0)


def listen(lines: BinaryIO, worker: Worker) -> None:
    """Do what the gateway asks until it hangs up; then stop the worker."""
    while line := lines.readline(LONGEST_LINE):
        try:
            message = Attend.model_validate_json(line)
        except ValidationError as error:
            log.warning("line_not_understood", errors=error.error_count())
            continue
        worker.attend(message.attend, message.seconds)
    worker.stop()


if __name__ == "__main__":
    main()
