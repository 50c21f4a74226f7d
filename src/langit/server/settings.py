"""What the owner of a server decides: langit.toml in its data folder, written with comments on the first start."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from langit.types import InputError

FILE = "langit.toml"
TEMPLATE = """\
# The settings of this langit server. Change what you like and start it again.

# What a request may name as its model, and the installed model that makes it: "embedded", a folder that `langit train`
# wrote, or a hub repository. size and seconds: "fit" makes the nearest that the model can, "refuse" answers an error.
default_model = "sora-2"
[models]
sora-2 = { model = "embedded", size = "fit", seconds = "fit" }
sora-2-pro = { model = "embedded", size = "fit", seconds = "fit" }
embedded = { model = "embedded" }

[limits]                     # for each key; `langit keys create` can give a key its own
requests_per_minute = 3000
queued_videos = 200          # videos that wait or are being made
video_seconds = 120          # one video
storage_mb = 20000           # finished videos and uploaded files together
upload_mb = 100              # one request
upload_megapixels = 40       # one picture or frame
upload_frames = 1800         # one video
upload_decode_seconds = 60
upload_decode_memory_mb = 3000

[keep]
hours = 168                  # a finished video and its files; 0 keeps them for ever

[provenance]
credentials = true           # C2PA: signed with this server's own certificate, in identity/; replace it with yours
watermark = true             # invisible, where the size supports it
# policy = "policy.toml"     # what is refused beyond what ships; see docs/server.md

[network]
allow = []                   # private hosts, addresses or networks that webhooks and references may name

[webhooks]
delays = [5, 30, 120, 600, 3600, 21600]  # seconds before each further attempt
"""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ServedModel(_Section):
    """What stands behind one name that requests use."""

    model: str = "embedded"
    size: Literal["fit", "refuse"] = "refuse"
    seconds: Literal["fit", "refuse"] = "refuse"


class Limits(_Section):
    """What one key may use."""

    requests_per_minute: int = Field(default=3000, ge=1)
    queued_videos: int = Field(default=200, ge=1)
    video_seconds: float = Field(default=120, gt=0)
    storage_mb: int = Field(default=20_000, ge=1)
    upload_mb: int = Field(default=100, ge=1)
    upload_megapixels: float = Field(default=40, gt=0)
    upload_frames: int = Field(default=1800, ge=1)
    upload_decode_seconds: float = Field(default=60, gt=0)
    upload_decode_memory_mb: int = Field(default=3000, ge=500)


class Keep(_Section):
    """How long finished videos stay."""

    hours: float = Field(default=168, ge=0)


class Provenance(_Section):
    """What is said in a video about where it came from, and what is refused."""

    credentials: bool = True
    watermark: bool = True
    policy: str | None = None

    def told(self, data: Path) -> dict[str, Any]:
        """What the engine is told; paths are of this machine."""
        return {
            "credentials": self.credentials,
            "watermark": self.watermark,
            "identity": str(data.resolve() / "identity"),
            "policy": self.policy_file(data),
        }

    def policy_file(self, data: Path) -> str | None:
        return str((data / self.policy).resolve()) if self.policy else None


class Network(_Section):
    """Which private hosts, addresses and networks may be called in a user's name."""

    allow: tuple[str, ...] = ()


class Webhooks(_Section):
    """How webhooks are tried again."""

    delays: tuple[float, ...] = (5, 30, 120, 600, 3600, 21600)


class Settings(_Section):
    """langit.toml."""

    default_model: str = "sora-2"
    models: dict[str, ServedModel] = Field(
        default_factory=lambda: {
            "sora-2": ServedModel(size="fit", seconds="fit"),
            "sora-2-pro": ServedModel(size="fit", seconds="fit"),
            "embedded": ServedModel(),
        }
    )
    limits: Limits = Limits()
    keep: Keep = Keep()
    provenance: Provenance = Provenance()
    network: Network = Network()
    webhooks: Webhooks = Webhooks()
    database_url: str | None = None
    storage_url: str | None = None


def read_settings(data: Path) -> Settings:
    """langit.toml of the folder `data`, which is made, with its langit.toml, where it does not exist.

    `InputError` names the line that cannot be used.
    """
    if data.exists() and not data.is_dir():
        raise InputError(f"{data} is a file; --data names a folder, such as ./langit-data.")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data / FILE
    if not path.exists():
        aside = path.with_name(f".{FILE}.part")
        aside.write_text(TEMPLATE)
        aside.rename(path)
    try:
        settings = Settings.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}. Correct it, or delete the file for a fresh one.") from error
    if settings.default_model not in settings.models:
        raise InputError(
            f"{path}: default_model is {settings.default_model!r}, which [models] does not have; "
            f"it has {', '.join(settings.models)}."
        )
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
