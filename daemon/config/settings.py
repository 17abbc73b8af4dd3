"""Names every setting, with its type, bounds and default; config.toml tells a person what each means.

Refuses to read anything: `sources` do.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from daemon.config.places import Place
from daemon.core import attempts
from daemon.science.fitness import Basis
from daemon.science.pace import GradeModel
from daemon.science.scoring import Choices
from daemon.science.wellness import Weights

_BIGGEST_ID = 2**63 - 1  # Strava's ids are stored as BIGINT
_APP_PAGE = "Strava shows it at https://www.strava.com/settings/api"
_RANDOM = "make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'"


def _no_flag(value: object) -> object:
    """Python counts True as 1; a setting does not."""
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "must be a number")
    return value


def _service_address(value: str) -> str:
    """Hold tokens to https, except on this machine (the sandbox); no slash at the end."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an address such as https://www.strava.com/api/v3")
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ValueError("must be https://: http:// sends tokens in the clear (allowed to 127.0.0.1 only)")
    return value.rstrip("/")


def _public_address(value: str) -> str:
    """Take no address, or one that the webhook's path can be added to."""
    try:
        address = _service_address(value) if value else ""
    except ValueError:
        address = None
    if address is None or re.search(r"[?#@]", address):
        raise ValueError(
            "must be an https:// address without user, ? and #, such as https://training.example.org"
            " (http:// to this machine only)"
        )
    if "/webhook" in urlsplit(address).path:  # settings are shown, and it ends with a secret
        raise ValueError("must not hold the webhook's path: /webhook/… is added by itself")
    return address


def _url_safe(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9_-]{22,}", value.get_secret_value()):
        raise ValueError("must be at least 22 of the characters A–Z a–z 0–9 - _ (22 of them hold 128 bits)")
    return value


def _url_safe_or_empty(value: SecretStr) -> SecretStr:
    return _url_safe(value) if value.get_secret_value() else value


def _database_address(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    if address != "embedded" and not (re.match(r"postgres(ql)?://", address) and urlsplit(address).netloc):
        raise ValueError('must be "embedded" or postgresql://user:password@host/name')
    return value


def _zone_name(value: str) -> str:
    """Take what the IANA's list names: an abbreviation such as CET knows no summer time of a place."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(value, available_timezones(), 1)
        meant = f" such as {near[0]}" if near else " such as Europe/Zurich, or UTC"
        raise ValueError(f"must be a time zone of the IANA list{meant}") from None
    return value


def _split(value: object) -> object:
    """Environment and credential files hold several values in one text."""
    return [part for part in re.split(r"[\s,]+", value) if part] if isinstance(value, str) else value


def _fernet_key(value: SecretStr) -> SecretStr:
    try:
        is_key = len(base64.b64decode(value.get_secret_value(), altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise ValueError("must be a Fernet key (44 characters: 32 bytes in URL-safe base64)")
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip()))
    except ValueError as error:
        advice = ": bits after its end" if "host bits" in str(error) else ""
        raise ValueError(f"must be an address or a network such as 10.0.0.7 or 10.0.0.0/24{advice}") from None


Whole = Annotated[int, BeforeValidator(_no_flag)]
Number = Annotated[float, BeforeValidator(_no_flag)]
PublicAddress = Annotated[str, AfterValidator(_public_address)]
ServiceAddress = Annotated[str, AfterValidator(_service_address)]
UrlSafeSecret = Annotated[SecretStr, AfterValidator(_url_safe)]
OptionalSecret = Annotated[SecretStr, AfterValidator(_url_safe_or_empty)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database_address)]
ZoneName = Annotated[str, AfterValidator(_zone_name)]
FernetKey = Annotated[SecretStr, AfterValidator(_fernet_key)]
NetworkNames = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_split)]
FernetKeys = Annotated[tuple[FernetKey, ...], BeforeValidator(_split)]


class Section(BaseModel):
    """One table of the file. A field's `description` says where a required value comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Strava(Section):
    """The Strava app, and how we speak to it."""

    api_url: ServiceAddress = "https://www.strava.com/api/v3"
    oauth_url: ServiceAddress = "https://www.strava.com/oauth"
    client_id: Whole = Field(gt=0, le=_BIGGEST_ID, description=_APP_PAGE)
    client_secret: SecretStr = Field(min_length=8, description=_APP_PAGE)
    verify_token: SecretStr = Field(min_length=8, description=_RANDOM)
    webhook_secret: UrlSafeSecret = Field(description=_RANDOM)
    old_webhook_secret: OptionalSecret = SecretStr("")  # "": none
    subscription_id: Whole = Field(0, ge=0, le=_BIGGEST_ID)  # 0: not known yet
    callback_url: PublicAddress = ""
    keep_subscription: bool = False
    signature_mode: Literal["off", "observe", "require"] = "observe"
    timeout_seconds: Number = Field(20.0, ge=1, le=300)

    @field_validator("keep_subscription")
    @classmethod
    def _has_an_address(cls, value: bool, others: ValidationInfo) -> bool:
        # Where the address itself is wrong it is not among the others, and is told by its own name.
        if value and others.data.get("callback_url") == "":
            raise ValueError("needs strava.callback_url: the address at which Strava reaches this installation")
        return value


class Web(Section):
    """Where we listen."""

    host: str = Field("127.0.0.1", min_length=1)
    port: Whole = Field(8000, ge=0, le=65535)  # 0: any free one
    proxies: NetworkNames = attempts.THIS_MACHINE
    local_metrics: bool = True


class Quota(Section):
    """What Strava allows this app; the limits follow its answers once there are any."""

    overall_quarter_limit: Whole = Field(600, ge=1)
    overall_day_limit: Whole = Field(30000, ge=1)
    read_quarter_limit: Whole = Field(600, ge=1)
    read_day_limit: Whole = Field(30000, ge=1)
    quarter_seconds: Whole = Field(900, ge=12, le=86400)
    day_seconds: Whole = Field(86400, ge=1, le=86400)
    requests_per_second: Number = Field(10.0, gt=0, le=1000)
    concurrency: Whole = Field(8, ge=1, le=1000)


class Database(Section):
    """PostgreSQL: our own, or one that somebody else runs."""

    url: DatabaseAddress = SecretStr("embedded")
    directory: Path = Path("var")
    pool_size: Whole = Field(10, ge=2, le=90)  # the embedded server has 100 places, some are for commands

    @property
    def embedded(self) -> bool:
        """Whether we run the server ourselves."""
        return self.url.get_secret_value() == "embedded"


class Vault(Section):
    """What tokens are encrypted with; the newest key first."""

    keys: FernetKeys = Field(min_length=1, description="make one: python -m daemon keys create")


class Webhook(Section):
    """How many looks at activities a flood of events may cause."""

    owner_looks_per_hour: Whole = Field(60, ge=1)
    looks_per_hour: Whole = Field(3000, ge=1)


class Intervals(Section):
    """Intervals.icu, where athletes' wellness comes from if they have it there."""

    api_url: ServiceAddress = "https://intervals.icu/api/v1"
    webhook_secret: OptionalSecret = SecretStr("")  # "": no webhook of Intervals.icu
    requests_per_second: Number = Field(5.0, gt=0, le=9)


class Notifications(Section):
    """Outgoing webhooks."""

    allow_private: bool = False


class Jobs(Section):
    """The queue's workers."""

    workers: Whole = Field(8, ge=1, le=1000)
    lease_seconds: Whole = Field(30, ge=2, le=3600)
    max_attempts: Whole = Field(20, ge=1, le=100)


class Science(Section):
    """Choices between formulas."""

    grade_model: Literal["strava", "minetti"] = "strava"
    hrv_weight: Number = Field(0.05, ge=0, le=0.1)
    resting_hr_weight: Number = Field(0.03, ge=0, le=0.1)
    sleep_weight: Number = Field(0.02, ge=0, le=0.1, validate_default=True)
    fitness_basis: Literal["utl", "raw"] = "utl"

    @field_validator("sleep_weight")
    @classmethod
    def _within_a_tenth(cls, value: float, others: ValidationInfo) -> float:
        # Rounded: 0.05 + 0.03 + 0.02 is a little more than 0.1.
        if round(value + sum(others.data.get(name, 0.0) for name in ("hrv_weight", "resting_hr_weight")), 9) > 0.1:
            raise ValueError("must leave hrv_weight + resting_hr_weight + sleep_weight at 0.1 or less")
        return value

    def choices(self) -> Choices:
        """Return them as science takes them."""
        return Choices(
            grade_model=GradeModel(self.grade_model),
            weights=Weights(hrv=self.hrv_weight, resting_hr=self.resting_hr_weight, sleep=self.sleep_weight),
            basis=Basis(self.fitness_basis),
        )


class Schedule(Section):
    """When the scheduled jobs are due."""

    timezone: ZoneName = "UTC"


class Sync(Section):
    """Who is looked at when a scheduled job considers him."""

    policy: Literal["adaptive", "fixed"] = "adaptive"


class Backfill(Section):
    """How much history a new athlete brings along."""

    days: Whole = Field(365, ge=0, le=36500)  # 0: none


class Retention(Section):
    """How long we keep what we need not keep."""

    streams_days: Whole = Field(7, ge=0, le=36500)  # 0: never stored
    events_days: Whole = Field(30, ge=1, le=36500)
    jobs_days: Whole = Field(14, ge=1, le=36500)
    runs_days: Whole = Field(30, ge=1, le=36500)
    deauthorized_days: Whole = Field(7, ge=0, le=30)  # Strava's rules: erased within 30 days


class Logs(Section):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(BaseSettings):
    """Everything the operator decides; a room is given its section."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, case_sensitive=True, hide_input_in_errors=True)

    strava: Strava
    web: Web
    quota: Quota
    database: Database
    vault: Vault
    webhook: Webhook
    intervals: Intervals
    notifications: Notifications
    jobs: Jobs
    science: Science
    schedule: Schedule
    sync: Sync
    backfill: Backfill
    retention: Retention
    logs: Logs
    _places: dict[tuple[str, ...], Place] = PrivateAttr(default_factory=dict)  # for `describe`


SECTIONS: Mapping[str, type[Section]] = {
    name: cast("type[Section]", info.annotation) for name, info in Settings.model_fields.items()
}
