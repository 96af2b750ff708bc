"""`parkgraph-edge read`: what the gateway reads on pictures, videos and cameras."""

import argparse
from importlib import import_module
from typing import cast


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `read` to the commands of a program."""
    parser = subparsers.add_parser(
        "read",
        help="read plates on pictures, videos and cameras",
        description="Read plates as the gateway does. A camera or a video is read to its end or "
        "--limit; Ctrl-C ends with what was read. Exit 2: some source could not be read.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="picture, video, folder of pictures, or http address of an MJPEG camera",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--show",
        metavar="OUT.png",
        help="draw what was read: the picture, or a sheet of up to 16 that show a plate",
    )
    parser.add_argument(
        "--every", type=_count, default=1, metavar="N", help="read each Nth frame or picture"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="stop after N frames")
    parser.set_defaults(run=read)


def read(arguments: argparse.Namespace) -> int:
    """Read what the command line asks for and return the exit code."""
    # Loaded here, not above: the daemon shares this program, and image libraries take 60 MB.
    inspection = import_module("parkgraph_edge.vision.inspection")
    return cast("int", inspection.inspect(arguments))


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write 1 or more")
    return number
