"""Subclass of BentoML's service that puts the project's ASGI application before BentoML's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from bentoml import Service

from serving.settings import Batching, settings

if TYPE_CHECKING:
    from serving.api.admin import Admin
    from serving.api.asgi import ASGIApp
    from serving.models.loaded import Runtime
    from serving.models.reload import ModelReloader


class Served(Protocol):
    """Attributes that the instance of a service class must have."""

    runtime: Runtime
    reloader: ModelReloader


class ApplicationService(Service[Any]):  # type: ignore[misc] # bentoml hides its types
    """BentoML service whose routes are answered by `serving.api.application`.

    Use it as ``@bentoml.service(service_class=ApplicationService, ...)``. BentoML still runs the
    workers, the start and stop hooks and the batchable methods. It calls these methods through its
    own application, which requests from outside do not reach.
    """

    def __call__(self) -> Served:
        """Create the instance and keep it: its model answers."""
        self._served = cast("Served", super().__call__())
        return self._served

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the project's application, which wraps BentoML's, and install its HTTP server."""
        from serving.api.application import Application  # noqa: PLC0415 - see serving.bento.startup
        from serving.http import server  # noqa: PLC0415 - see serving.bento.startup
        from serving.http.context import ConnectionContext  # noqa: PLC0415 - see serving.bento.startup

        inner = cast("ASGIApp", super().to_asgi(is_main))
        application = Application(inner, lambda: self._served.runtime, settings(), self._admin())
        fast_path = settings().batching is Batching.INLINE
        predict = application.predict_delay if fast_path else None
        context = ConnectionContext.of(predict, application.keys, settings())
        server.install(context, alone=settings().workers == 1)
        return application

    def _admin(self) -> Admin | None:
        """Return the administrator's routes; ``None`` where no token is set."""
        from serving.api.admin import Admin  # noqa: PLC0415 - see serving.bento.startup

        token, name = settings().admin_secret, settings().model.partition(":")[0]
        return Admin(token, lambda: self._served.reloader, name) if token else None
