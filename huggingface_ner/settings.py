"""The service's settings: the checked environment variables, and values that are derived from them."""

import ipaddress
import math
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

from pydantic import (
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from huggingface_ner.engine_kinds import PRECISION_NEEDS, UNSUPPORTED_PRECISIONS, EnginePreference
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.model_places import normalized, place_of, read_host
from huggingface_ner.secret_values import (
    check_api_key,
    check_redis_url,
    is_address,
    shown_value,
    with_secret_files,
)
from huggingface_ner.variables import Variables

# Characters that the name of a host does not have.
_NOT_IN_HOSTS = re.compile(r"[\s/@?#*\[\]\\]")
# A language's code, as the metadata of a model on the Hub may contain it.
MODEL_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)?|multilingual")

# Settings whose value is "auto" or of another kind, and the message about an invalid one.
_VALUE_OR_AUTO = {
    "predict_after_training": "must be auto, true or false",
    "training_repetitions": "must be auto, or a whole number from 1 to 10",
}


class SettingsError(HuggingFaceNERError):
    """Environment variables are invalid; for each, the message has the name, the value and the reason.

    Values that may be secrets are not shown.
    """


class Settings(Variables):
    """The service's settings; ``read_settings`` makes them from the environment."""

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, values: dict[str, Any]) -> dict[str, Any]:
        return with_secret_files(values)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("host", mode="after")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if not _is_host(value):
            raise ValueError("must be the name or the address of a host, without http:// and without a port")
        return value

    @field_validator("label_studio_host", mode="after")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("label_studio_host", mode="after")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if "@" in value:
            raise ValueError("must not contain credentials; set LABEL_STUDIO_API_KEY instead")
        if "?" in value or "#" in value:
            raise ValueError("must end before the ? or #; an example: http://localhost:8080")
        normalized(value)  # raises ValueError if the port is not a number, for example
        return value

    @field_validator("label_studio_api_key", mode="after")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_api_key(value.get_secret_value())
        return value

    @field_validator("redis_url", mode="after")
    @classmethod
    def _has_clear_parts(cls, value: str | None) -> str | None:
        if value is not None:
            check_redis_url(value)
        return value

    @field_validator("model_dir", "gazetteer", mode="before")
    @classmethod
    def _is_path(cls, value: object) -> object:
        if isinstance(value, str) and is_address(value):
            raise ValueError("must be a path, not a URL; if it is a path, write ./ before it")
        return value

    @field_validator("baseline_model_name", mode="after")
    @classmethod
    def _is_no_url(cls, value: str) -> str:
        if is_address(value):
            raise ValueError("must be a name on the Hub, such as dslim/bert-base-NER, or a folder, not a URL")
        return value

    @field_validator("allowed_url_hosts", "model_languages", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_url_hosts", mode="after")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(host == "*" or _is_host(host) for host in value):
            raise ValueError(
                "must be names of hosts without http:// and without a port, because all ports are allowed; an "
                "example: texts.example.org,10.0.0.7"
            )
        return value

    @field_validator("model_languages", mode="after")
    @classmethod
    def _are_languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(MODEL_LANGUAGE.fullmatch, value)):
            raise ValueError("must be codes of ISO 639, separated by commas; an example: de,en")
        return value

    @field_validator("min_score", mode="plain")
    @classmethod
    def _score_or_auto(cls, value: object) -> object:
        if value == "auto":
            return value
        try:
            score = float(str(value))
        except ValueError:
            score = math.nan
        if not 0 <= score <= 1:
            raise ValueError("must be a number from 0 to 1, or auto")
        return score

    @field_validator(*_VALUE_OR_AUTO, mode="wrap")
    @classmethod
    def _value_or_auto(cls, value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return read(value)
        except ValidationError:  # it has a line for each kind of value
            raise ValueError(_VALUE_OR_AUTO[str(info.field_name)]) from None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.basic_auth_user is None) != (self.basic_auth_pass is None):
            raise ValueError("BASIC_AUTH_USER and BASIC_AUTH_PASS: set both or neither")
        if self.basic_auth_user and ":" in self.basic_auth_user:
            raise ValueError("BASIC_AUTH_USER: a user name cannot contain a colon")
        return self

    @model_validator(mode="after")
    def _engine_has_precision(self) -> Self:
        if (self.inference_engine, self.inference_precision) in UNSUPPORTED_PRECISIONS:
            raise ValueError(
                f"INFERENCE_ENGINE={self.inference_engine} does not support "
                f"INFERENCE_PRECISION={self.inference_precision}: {PRECISION_NEEDS}; "
                "set one of the two settings to auto"
            )
        return self

    @model_validator(mode="after")
    def _version_has_predictions(self) -> Self:
        if self.update_project_model_version and self.predict_after_training is not True:
            raise ValueError(
                "UPDATE_PROJECT_MODEL_VERSION: set PREDICT_AFTER_TRAINING=true too, because Label Studio requests "
                "no predictions for a project in which a version is selected"
            )
        return self

    @cached_property
    def engine_preference(self) -> EnginePreference:
        """The engines that may be prepared and loaded for a model."""
        return EnginePreference(self.inference_engine, self.inference_precision, self.inference_agreement)

    @cached_property
    def all_models_folder(self) -> Path:
        """The folder with the fine-tuned models of all Label Studios."""
        return self.model_dir / self.finetuned_model_name

    @cached_property
    def _place(self) -> str:
        return place_of(self.all_models_folder, self.label_studio_host)

    @property
    def models_folder(self) -> Path:
        """The folder with the fine-tuned models of LABEL_STUDIO_HOST; it has a subfolder for each project.

        Raises PlaceError and OSError.
        """
        return self.all_models_folder / self._place

    @property
    def queue_prefix(self) -> str:
        """The prefix of the training queue's keys in Redis. Raises PlaceError and OSError."""
        place = f":{self._place}" if self._place else ""
        return f"huggingface-ner:{self.finetuned_model_name}{place}"

    def of_known_host(self) -> Self:
        """Return the settings, with LABEL_STUDIO_HOST filled in from MODEL_DIR if it is not set.

        The address is that of the first Label Studio that used MODEL_DIR. Raises PlaceError and OSError.
        """
        if "label_studio_host" in self.model_fields_set:
            return self
        known = read_host(self.all_models_folder)
        return self if known is None else self.model_copy(update={"label_studio_host": known})

    @cached_property
    def baseline_is_set(self) -> bool:
        """Whether BASELINE_MODEL_NAME was set explicitly; if so, no other model may replace it."""
        return "baseline_model_name" in self.model_fields_set


def read_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; raises SettingsError, which names every invalid variable."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_message(detail) for detail in error.errors())) from None


@lru_cache(maxsize=1)
def shared_settings() -> Settings:
    """Return this process's settings."""
    return read_settings()


def _is_host(name: str) -> bool:
    """Return whether a name may be that of a host, or is an IP address; a URL and a host with a port are not."""
    if ":" not in name:
        return not _NOT_IN_HOSTS.search(name)
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _message(detail: ErrorDetails) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return reason
    field = Settings.model_fields[str(detail["loc"][0])]
    if detail["type"] == "string_pattern_mismatch" and field.examples:
        reason = f"not a valid value; an example: {field.examples[0]}"
    name = str(detail["loc"][0]).upper()
    shown = shown_value(name.lower(), detail["input"])
    return f"{name}: {reason}" if shown is None else f"{name}={shown}: {reason}"
