"""`parkgraph-edge read`: what the gateway reads on pictures, videos and cameras."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Final, cast

EXAMPLES: Final = """\
examples:
  parkgraph-edge read car.jpg --show read.png
  parkgraph-edge read pictures/ --recursive --worst worst.png
  parkgraph-edge read labelled/ --labels --worst misread.png
  parkgraph-edge read drive.mp4 --passages
  parkgraph-edge read http://10.0.0.7/stream.mjpg --limit 100 --json
  parkgraph-edge read pictures/ --csv plates.csv --annotate annotated/
  parkgraph-edge read pictures/ --detector plates.onnx --reader cct.onnx

exit status: 0 all was read, 2 something could not be, 130 stopped by Ctrl-C
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `read` to the commands of a program."""
    parser = subparsers.add_parser(
        "read",
        help="read plates on pictures, videos and cameras",
        description="Read plates as the gateway does: a line for each plate on stdout, what it\n"
        "came to on stderr. A camera or a video is read to its end or --limit; Ctrl-C ends\n"
        "with what was read.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="picture, video, folder of them, or http address of an MJPEG camera",
    )
    _add_inputs(parser)
    _add_outputs(parser)
    parser.set_defaults(run=read)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what is read")
    what.add_argument(
        "-r", "--recursive", action="store_true", help="also what lies in folders below"
    )
    what.add_argument(
        "--every", type=_count, default=1, metavar="N", help="each Nth frame or picture"
    )
    what.add_argument("--limit", type=_count, metavar="N", help="stop after N frames")
    what.add_argument(
        "--passages",
        action="store_true",
        help="a line for each car that passes in a video or before a camera, not for each frame",
    )
    what.add_argument(
        "--labels",
        action="store_true",
        help="compare with PICTURE.txt beside PICTURE.jpg, for each plate a line: file, x, y,"
        " width, height, text, tabs between; text X where only the place is known",
    )
    what.add_argument(
        "--detector",
        type=Path,
        metavar="FILE.onnx",
        help="a plate detector of your own, YOLO exported end to end",
    )
    what.add_argument(
        "--reader",
        type=Path,
        metavar="FILE.onnx",
        help="a plate reader of your own, CCT, with FILE_plate_config.yaml beside it",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how it is told")
    how.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a line, also with what else a plate may say and what was rejected",
    )
    how.add_argument(
        "--csv", metavar="FILE", help="comma-separated values too; - for stdout, instead of lines"
    )
    how.add_argument(
        "--show",
        metavar="OUT.png",
        help="draw what was read: the picture, or a sheet of up to 16 that show a plate",
    )
    how.add_argument(
        "--worst",
        metavar="OUT.png",
        help="a sheet of the worst: misread (with --labels), rejected, least sure",
    )
    how.add_argument(
        "--annotate", metavar="FOLDER", help="write each frame with its plates drawn in"
    )


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
