"""Errors as OpenAI's API writes them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from seethink.types import InputError

_LOG = logging.getLogger(__name__)

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
"""Status -> `type` of the error; other 4xx are "invalid_request_error", 5xx "server_error"."""


class ApiError(Exception):
    """A request that is answered with an error. status: of HTTP. code: for programs. param: the field of the
    request that is at fault."""

    def __init__(self, status: int, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        extra = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}}
        return extra.get(self.status, {})

    def body(self) -> Mapping[str, Any]:
        """The JSON of the response."""
        general = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = TYPES.get(self.status, general)
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def bad_request(message: str, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """An error of status 400."""
    return ApiError(400, message, code, param)


def api_error(error: BaseException) -> ApiError:
    """Any error as one of the API. What is no fault of the request is logged with its traceback, and told
    without it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InputError):
        return bad_request(str(error))
    _LOG.error("a request failed", exc_info=error)
    return ApiError(500, "the server failed at this request; its log says why", "internal_error")
