"""Errors as OpenAI's API answers them: {"error": {message, type, param, code}}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

INVALID = "invalid_request_error"


class ApiError(Exception):
    """A request cannot be done; the message is one or two sentences for whoever sent it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = INVALID,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.kind = status, message, code, param, kind
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def not_found(what: str, identifier: str) -> ApiError:
    """Also what is another key's: that it exists is nobody else's business."""
    shown = identifier if len(identifier) <= 80 else identifier[:77] + "..."
    return ApiError(404, f"There is no {what} {shown!r}; it never was, has expired or was deleted.", code="not_found")


def invalid(message: str, param: str | None, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, code=code, param=param)


def from_validation(problems: Sequence[Mapping[str, Any]]) -> ApiError:
    """The first of pydantic's complaints, in a sentence."""
    first = problems[0]
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(where) or None
    kind = str(first["type"])
    if kind == "missing":
        return invalid(f"Missing required parameter: {param!r}.", param, "missing_required_parameter")
    if kind == "extra_forbidden":
        return invalid(
            f"Unknown parameter: {param!r}. See /openapi.json for those there are.", param, "unknown_parameter"
        )
    told = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return invalid(f"Invalid value for {param!r}: {told}." if param else f"{told}.", param)
