"""`parkgraph-edge read` on real pictures: drawn here, read by the real networks."""

import argparse
import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from parkgraph_edge import reading
from parkgraph_edge.vision.frames import Pixels
from tests.networks import FLOAT, a_network

COMMAND = """
import argparse, sys
from parkgraph_edge import reading
parser = argparse.ArgumentParser()
reading.add_parser(parser.add_subparsers())
arguments = parser.parse_args()
sys.exit(arguments.run(arguments))
"""


def a_car(plate: str) -> Pixels:
    """Return a grey picture, 640x360, with a white plate in the middle."""
    picture = np.full((360, 640, 3), 110, np.uint8)
    cv2.rectangle(picture, (210, 150), (430, 215), (240, 240, 240), cv2.FILLED)
    cv2.putText(picture, plate, (220, 198), cv2.FONT_HERSHEY_DUPLEX, 1.5, (20, 20, 20), 3)
    return picture


@pytest.fixture
def car(tmp_path: Path) -> Path:
    path = tmp_path / "car.png"
    cv2.imwrite(str(path), a_car("KLM4827"))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 360))
    for _ in range(10):
        writer.write(a_car("KLM4827"))
    writer.release()
    return path


@pytest.fixture
def camera() -> Iterator[str]:
    over = Event()
    picture = cv2.imencode(".jpg", a_car("KLM4827"))[1].tobytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=edge")
            self.end_headers()
            while not over.wait(0.05):
                try:
                    self.wfile.write(b"--edge\r\n\r\n" + picture + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/stream.mjpg"
        over.set()
        server.shutdown()
        thread.join()


def read(*words: object) -> int:
    parser = argparse.ArgumentParser()
    reading.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["read", *map(str, words)])
    return int(arguments.run(arguments))


def test_a_picture_is_read(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = read(car)

    out = capsys.readouterr().out.split()
    assert code == 0
    assert out[:2] == [str(car), "KLM4827"]


def test_a_program_gets_one_object_a_line(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(car, car, "--json")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    plate = lines[1]["plates"][0]
    assert [line["source"] for line in lines] == [str(car), str(car)]
    assert (plate["text"], len(plate["characters"])) == ("KLM4827", 7)
    assert 180 < plate["box"][0] < plate["box"][2] < 460
    assert plate["alternatives"][0] == ["K1M4827", 0.0]


def test_a_folder_is_read_picture_by_picture(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(car.with_name("bus.jpg")), a_car("BUS1234"))
    car.with_name("notes.txt").write_text("not a picture")

    code = read(car.parent)

    assert code == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
        "BUS1234",
        "KLM4827",
    ]


def test_folders_below_are_read_when_they_are_asked_for(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    below = tmp_path / "north"
    below.mkdir()
    car.rename(below / "car.png")

    code = read(tmp_path)
    refused = capsys.readouterr().err
    deeper = read(tmp_path, "-r")

    assert (code, deeper) == (2, 0)
    assert "--recursive for those in folders below" in refused
    assert "KLM4827" in capsys.readouterr().out


def test_what_it_came_to_is_told_at_the_end(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(car, car, car)

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("3 frames in ")
    assert "3 plates read" in first
    assert "ms a frame (median)" in second


def test_a_table_can_take_the_place_of_the_lines(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read(car, "--csv", "-")
    out = capsys.readouterr().out
    read(car, "--csv", tmp_path / "plates.csv")

    [row] = csv.DictReader(io.StringIO(out))
    assert (row["source"], row["text"], row["rejected"]) == (str(car), "KLM4827", "")
    assert "KLM4827" in (tmp_path / "plates.csv").read_text()
    assert "KLM4827" in capsys.readouterr().out


def test_two_that_write_to_stdout_are_refused(
    car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = read(car, "--json", "--csv", "-")

    assert code == 2
    assert "give --csv a file" in capsys.readouterr().err


def test_each_picture_is_written_with_its_plates_drawn_in(car: Path, tmp_path: Path) -> None:
    read(car, "--annotate", tmp_path / "annotated")

    drawn = cv2.imread(str(tmp_path / "annotated" / "car.jpg"))
    assert drawn is not None
    assert drawn.shape == (360, 640, 3)
    assert np.abs(drawn.astype(int) - a_car("KLM4827")).max() > 100


def test_pictures_are_not_written_among_those_that_are_read(
    car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = read(car, "--annotate", car.parent)

    assert code == 2
    assert "name another folder" in capsys.readouterr().err
    assert list(car.parent.iterdir()) == [car]


def test_labels_tell_how_right_the_readings_are(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    car.with_suffix(".txt").write_text("car.png\t210\t150\t220\t65\tKLM-4828\n")

    read(car, "--labels", "--worst", tmp_path / "worst.png")

    out, errors = capsys.readouterr()
    assert "KLM4828 was read as KLM4827" in out
    assert errors.splitlines()[-1].split()[1:] == [
        "1",
        "100.0",
        "%",
        "0.0",
        "%",
        "0.0",
        "%",
        "14.3",
        "%",
    ]
    worst = cv2.imread(str(tmp_path / "worst.png"))
    assert worst is not None
    assert worst.shape[1] > 300


def test_pictures_without_labels_are_not_judged(
    car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = read(car, "--labels")

    assert code == 2
    assert "no labels beside the pictures; for PICTURE.jpg write" in capsys.readouterr().err


def test_a_line_that_is_no_label_is_named(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    car.with_suffix(".txt").write_text("car.png\t210\t150\n")

    code = read(car, "--labels")

    assert code == 2
    assert f"{car.with_suffix('.txt')}:1: is no label" in capsys.readouterr().err


def test_a_car_that_passes_is_one_line(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(video, "--passages", "--json")
    [line] = capsys.readouterr().out.splitlines()
    read(video, "--passages")

    passage = json.loads(line)
    assert (passage["text"], passage["frames"]) == ("KLM4827", 10)
    assert (passage["at_seconds"], passage["ended_seconds"]) == (0.0, 0.9)
    assert "0.00 s to 0.90 s  KLM4827" in capsys.readouterr().out


def test_networks_of_the_site_s_own_read(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = np.array([[0, 16, 20, 48, 44, 0, 0.9]], np.float32)
    detector = a_network(tmp_path / "plates.onnx", takes=(FLOAT, (1, 3, 64, 64)), gives=box)

    own = read(car, "--detector", detector)
    out = capsys.readouterr().out
    missing = read(car, "--reader", tmp_path / "none.onnx")

    assert (own, missing) == (0, 2)
    assert "160,60 480,300" in out
    assert "none.onnx: no such network" in capsys.readouterr().err


def test_each_nth_frame_of_a_video_is_read(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = read(video, "--every", "4", "--json")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert [(line["frame"], line["at_seconds"]) for line in lines] == [(1, 0.0), (5, 0.4), (9, 0.8)]
    assert {line["plates"][0]["text"] for line in lines} == {"KLM4827"}


def test_a_camera_is_read_until_the_limit(camera: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = read(camera, "--limit", "2")

    assert code == 0
    assert capsys.readouterr().out.count("KLM4827") == 2


def test_a_camera_is_read_until_the_user_has_seen_enough(camera: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "read", camera], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        first = program.stdout.readline()
        program.send_signal(signal.SIGINT)
        code = program.wait(10)

    assert "KLM4827" in first
    assert code == 130


def test_what_was_read_is_shown_below_the_picture(car: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.png"

    code = read(car, "--show", shown)

    picture = cv2.imread(str(shown))
    assert code == 0
    assert picture is not None
    assert picture.shape[1] == 1280
    assert picture.shape[0] > 720


def test_many_frames_are_shown_on_one_sheet(car: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.png"

    read(car, car, car, "--show", shown)

    picture = cv2.imread(str(shown))
    assert picture is not None
    assert picture.shape[1] > 2 * 480


def test_a_car_that_stays_in_the_picture_is_shown_once(video: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.png"

    read(video, "--limit", "3", "--show", shown)

    picture = cv2.imread(str(shown))
    assert picture is not None
    assert picture.shape[1] < 2 * 480


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.png", None, "no such file"),
        ("text.png", b"not a picture", "no picture that can be decoded"),
        ("notes.txt", b"not a picture", "neither a picture nor a video"),
        ("clip.mp4", b"not a video", "no frame can be decoded"),
        ("", None, "no pictures in this folder"),
    ],
)
def test_a_bad_source_is_named_and_the_next_one_read(
    tmp_path: Path,
    name: str,
    content: bytes | None,
    says: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    if content is not None:
        (folder / name).write_bytes(content)
    good = tmp_path / "car.png"
    cv2.imwrite(str(good), a_car("KLM4827"))

    code = read(folder / name, good)

    out, errors = capfd.readouterr()
    assert code == 2
    assert "KLM4827" in out
    [line] = errors.splitlines()
    assert says in line
    assert str(folder) in line


def test_a_video_that_is_cut_off_is_read_as_far_as_it_goes(
    video: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])

    code = read(video)

    out, errors = capfd.readouterr()
    assert code == 2
    assert "KLM4827" in out
    assert "of 10; it is cut off or damaged" in errors


def test_a_camera_that_is_away_is_named_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = read("http://admin:secret@127.0.0.1:9/stream.mjpg")

    errors = capsys.readouterr().err
    assert code == 2
    assert "http://127.0.0.1:9/stream.mjpg" in errors
    assert "secret" not in errors


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = read(car, "--show", tmp_path / "nowhere" / "shown.png")

    out, errors = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "make it first" in errors
