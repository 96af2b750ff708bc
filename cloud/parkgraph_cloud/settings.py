"""What `cloud.toml` may say."""

from pathlib import Path

from pydantic import Field

from parkgraph.front.settings import ApiSettings, key_credential
from parkgraph.runtime.configuration import Configuration, Table, load
from parkgraph.runtime.configuration_values import BrokerUrl, PathFromFile


class MqttSettings(Table):
    """How lots are reached."""

    broker: BrokerUrl = Field(
        description="MQTT broker through which lots are reached", examples=["mqtt://127.0.0.1:1883"]
    )


class StateSettings(Table):
    """What survives a restart."""

    directory: PathFromFile = Field(
        description="folder of the cloud's database", examples=["/var/lib/parkgraph-cloud"]
    )


class CloudSettings(Table):
    """All of `cloud.toml`."""

    api: ApiSettings = Field(description="where /api/v1 listens")
    mqtt: MqttSettings = Field(description="how lots are reached")
    state: StateSettings = Field(description="what survives a restart")


def load_settings(path: Path) -> Configuration[CloudSettings]:
    """Read `cloud.toml` from `path`; the daemon wants `.settings` of it.

    Raises:
        ConfigurationError: with all faults of the file.
    """
    return load(path, CloudSettings, substitutes=key_credential())
