"""`POST /admin/reload`: replacement of the served model, authorised by the admin token."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.api.asgi import JSON, Headers, Receive, Scope, read_body
from serving.api.auth import bearer_token
from serving.errors import Invalid, NotJson, Unauthorized
from serving.models.reload import ModelReloader

PATH = "/admin/reload"
LARGEST_BODY = 1000
"""Bytes."""

logger = logging.getLogger("flight_delay")


class ReloadRequest(BaseModel):
    """Version to load, also an older one; without it, the newest."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")] = "latest"


class Admin:
    """Handler of `POST /admin/reload`.

    Parameters
    ----------
    token
        Expected in ``Authorization: Bearer <token>``.
    reloader
        Returns the object that loads a model and puts it in place.
    name
        Of the served model; no other can be loaded.
    """

    def __init__(self, token: str, reloader: Callable[[], ModelReloader], name: str) -> None:
        self._token = token.encode()
        self._reloader = reloader
        self._name = name

    async def reload(self, scope: Scope, receive: Receive) -> tuple[int, bytes, Headers]:
        """Handle the request; see `ModelReloader.reload` for further errors.

        Raises
        ------
        Unauthorized
            If the token is missing or wrong; it is compared in constant time.
        """
        if not hmac.compare_digest(bearer_token(scope["headers"]) or b"", self._token):
            logger.warning("model reload requested without the admin token")
            detail = "Send the admin token: Authorization: Bearer <token>."
            raise Unauthorized(detail, headers=((b"www-authenticate", b"Bearer"),))
        request = _parse(await read_body(receive, LARGEST_BODY, _ignore_size))
        reference = None if request.version == "latest" else f"{self._name}:{request.version}"
        change = await self._reloader().reload(reference)
        document = {
            "model": change.now,
            "before": change.before,
            "changed": change.now != change.before,
        }
        return 200, json.dumps(document).encode(), (JSON,)


def _ignore_size(_length: int) -> None:
    """Reserve nothing; the body is limited to 1,000 bytes."""


def _parse(body: bytes) -> ReloadRequest:
    if not body:
        return ReloadRequest()
    try:
        document: Any = json.loads(body)
        return ReloadRequest.model_validate(document)
    except ValidationError:
        message = 'Send nothing, or {"version": "<version of the model>"}.'
        raise Invalid(message) from None
    except (ValueError, RecursionError):
        raise NotJson("The body is not JSON: send none to load the newest model.") from None  # noqa: EM101, TRY003
