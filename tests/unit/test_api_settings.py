"""What `[api]` says of TLS: certificate and key belong together, and the network is not without."""

from pathlib import Path
from typing import Final

import pytest

from parkgraph.front.settings import ApiSettings
from parkgraph.runtime.configuration import ConfigurationError
from parkgraph_cloud.settings import load_settings
from tests.certificates import Files, a_certificate

KEY: Final = "pk_live_0123456789abcdefghij"
CERTIFICATE: Final = 'certificate = "own.pem"'
PRIVATE_KEY: Final = 'private_key = "own.key.pem"'
REST: Final = """
key_file = "api.key"
[mqtt]
broker = "mqtt://127.0.0.1:1883"
[state]
directory = "/var/lib/parkgraph-cloud"
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "api.key").write_text(KEY)
    (tmp_path / "api.key").chmod(0o600)
    a_certificate(tmp_path, "other")
    return a_certificate(tmp_path)


def read(folder: Path, *lines: str) -> ApiSettings:
    file = folder / "cloud.toml"
    file.write_text("\n".join(["[api]", *lines]) + REST)
    return load_settings(file).settings.api


def faults(folder: Path, *lines: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, *lines)
    prefix = f"{folder / 'cloud.toml'}:"
    return [fault.removeprefix(prefix) for fault in str(caught.value).splitlines()]


def test_with_a_certificate_the_network_may_call(tmp_path: Path, files: Files) -> None:
    listen, plain = 'listen = "0.0.0.0:443"', 'plain_listen = "[::]:80"'

    settings = read(tmp_path, listen, plain, CERTIFICATE, PRIVATE_KEY)

    assert (settings.certificate, settings.private_key) == files
    assert (str(settings.listen), str(settings.plain_listen)) == ("0.0.0.0:443", "[::]:80")


def test_without_a_certificate_only_this_machine_may_call(tmp_path: Path, files: Files) -> None:
    [fault] = faults(tmp_path, 'listen = "0.0.0.0:443"')

    assert fault.startswith("2: api.listen: 0.0.0.0 can be reached from the network")
    assert fault.endswith("or give certificate and private_key")


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        ([CERTIFICATE], "1: api.private_key: is missing; ", "or remove both"),
        ([PRIVATE_KEY], "1: api.certificate: is missing; ", "or remove both"),
        (['plain_listen = "[::]:80"'], "3: api.plain_listen: sends callers", "plain_listen"),
        (
            ['certificate = "other.pem"', PRIVATE_KEY],
            "4: api.private_key: DIR/own.key.pem does not belong to DIR/other.pem; ",
            "the key for which that certificate was issued",
        ),
        (
            ['certificate = "none.pem"', PRIVATE_KEY],
            "3: api.certificate: DIR/none.pem cannot be read: no such file",
            "who may read the file",
        ),
        (
            ['certificate = "own.key.pem"', PRIVATE_KEY],
            "3: api.certificate: DIR/own.key.pem holds no certificate; ",
            "those that vouch for it",
        ),
        (
            [CERTIFICATE, 'private_key = "none.pem"'],
            "4: api.private_key: DIR/none.pem cannot be read: no such file",
            "chmod 600 DIR/none.pem",
        ),
        (
            [CERTIFICATE, 'private_key = "api.key"'],
            "4: api.private_key: DIR/api.key and DIR/own.pem cannot be used: ",
            "the key without a password",
        ),
    ],
)
def test_a_fault_names_its_key_and_what_to_do(
    tmp_path: Path, files: Files, lines: list[str], start: str, end: str
) -> None:
    [fault] = faults(tmp_path, 'listen = "127.0.0.1:8090"', *lines)

    fault = fault.replace(str(tmp_path), "DIR")
    assert fault.startswith(start)
    assert fault.endswith(end)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_private_key_that_others_can_open_is_refused(
    tmp_path: Path, files: Files, mode: int
) -> None:
    files.private_key.chmod(mode)

    [fault] = faults(tmp_path, 'listen = "127.0.0.1:8090"', CERTIFICATE, PRIVATE_KEY)

    assert fault == (
        f"4: api.private_key: other users of this machine can open {files.private_key};"
        f" run: chmod 600 {files.private_key}"
    )


def test_credentials_of_systemd_stand_in_for_certificate_and_key(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    files.certificate.rename(credentials / "api.certificate")
    files.private_key.rename(credentials / "api.private_key").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    settings = read(tmp_path, 'listen = "0.0.0.0:443"')

    assert settings.certificate == credentials / "api.certificate"
    assert settings.private_key == credentials / "api.private_key"
