"""The one door to a Pachyderm server: its calls, their budgets, and its refusals as Data Mill's errors.

The SDK's generated stubs are used on a channel of our own. The SDK's ``Client`` sets no deadlines, so a server that has
stopped answering would be waited for without end, and it takes credentials from the environment, unasked.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import grpc
from pachyderm_sdk.api import metadata, transaction
from pachyderm_sdk.api.pfs.extension import ApiStub as PfsStub

from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.datasets.errors import ExistsError, NotFoundError, StoreError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALL_SECONDS = 60.0
"""Budget of a call that only touches the server's database."""

BULK_SECONDS = 6 * 3600.0
"""Budget of a call that moves files or waits for the server's workers. Keepalive notices a dead peer long before."""

BULK_METHODS = frozenset({"CreateFileSet", "GetFile", "WalkFile", "DiffFile", "ListCommit", "Fsck", "InspectCommit"})

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 20 * 1024 * 1024),  # what the server sends in one message at most
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.primary_user_agent", "datamill"),
)

UNREACHABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
NOT_ALLOWED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


class AccessError(StoreError):
    """The server does not accept the token, or the token's owner may not do this."""


class RefusedError(StoreError):
    """The server refused a request.

    Attributes:
        details: its words.
    """

    def __init__(self, reason: str, *, instruction: str, details: str = "") -> None:
        super().__init__(reason, instruction=instruction)
        self.details = details


class Door:
    """Stubs of the services that the provider uses, with credentials and deadlines on each call.

    Args:
        url: ``grpc://host:port`` or, with TLS, ``grpcs://host:port``.
        token: of authentication; ``""`` for none.
        call_seconds: budget of a small call.
        bulk_seconds: budget of a call that moves files or waits.

    Attributes:
        url: as given.
        pfs: repos, branches, commits, files.
        transaction: several requests at once, all or nothing.
        metadata: annotations.

    Raises:
        ConfigurationError: the url is not such an address.
    """

    def __init__(
        self, url: str, token: str = "", *, call_seconds: float = CALL_SECONDS, bulk_seconds: float = BULK_SECONDS
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"grpc", "grpcs"} or not parts.hostname or parts.path.strip("/") or parts.username:
            raise ConfigurationError(
                "The address of a Pachyderm server must be grpc://host:port, or grpcs://host:port for TLS.",
                instruction="Correct `url` in the connection of the component that provides datasets.",
            )
        self.url = f"{parts.scheme}://{parts.hostname}:{parts.port or 30650}"
        address = self.url.partition("://")[2]
        self._plain = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(), CHANNEL_OPTIONS)
            if parts.scheme == "grpcs"
            else grpc.insecure_channel(address, CHANNEL_OPTIONS)
        )
        channel = grpc.intercept_channel(self._plain, _OnEachCall(token, call_seconds, bulk_seconds))
        self.pfs: Any = PfsStub(channel, get_transaction_id=lambda: None)
        self.transaction: Any = transaction.ApiStub(channel)
        self.metadata: Any = metadata.ApiStub(channel)

    def close(self) -> None:
        """End the connection."""
        self._plain.close()

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Calls made inside fail with Data Mill's errors.

        Args:
            what: the request as a person would say it, e.g. ``"list the branches of raw/flights"``.

        Raises:
            StoreUnreachableError: no answer within the budget.
            AccessError: not allowed.
            NotFoundError: something named does not exist.
            ExistsError: a name is taken.
            RefusedError: any other refusal, with the server's words.
        """
        try:
            yield
        except grpc.RpcError as error:
            raise self._translated(error, what) from None

    def cut_short(self, what: str, got: int, size: int) -> StoreError:
        """The error about a file of which the server sent less than there is."""
        return StoreError(
            f"The Pachyderm server at {self.url} sent {got} of {size} bytes when asked to {what}, and no error.",
            instruction="Repeat; if it stays so, run `datamill data fsck`.",
        )

    def _translated(self, error: Any, what: str) -> Exception:  # noqa: ANN401 (grpcio ships no types)
        code, details = error.code(), str(error.details() or "").strip()
        # The rest repeats the first line from other layers of the server.
        first = details.partition("\n")[0].rstrip(".")
        if code in UNREACHABLE:
            return StoreUnreachableError(
                f"The Pachyderm server at {self.url} gave no answer when asked to {what}: {first}.",
                instruction=f"See that pachd runs and that {self.url} is its address, then repeat.",
            )
        if code in NOT_ALLOWED:
            return AccessError(
                f"The Pachyderm server at {self.url} does not allow this token to {what}: {first}.",
                instruction="Give the component that provides datasets a token whose owner has the role repoWriter"
                " (repoReader to read only), or projectWriter where repos are to be created.",
            )
        if code == grpc.StatusCode.NOT_FOUND:
            return NotFoundError(
                f"Pachyderm cannot {what}: {first}.", instruction="List what there is with `datamill data repos`."
            )
        if code == grpc.StatusCode.ALREADY_EXISTS:
            return ExistsError(f"Pachyderm cannot {what}: {first}.", instruction="Choose another name.")
        return RefusedError(
            f"Pachyderm refuses to {what}: {first} ({code.name}).",
            instruction="docs/pachyderm.md says what the provider asks of a server, and what was tried.",
            details=details,
        )


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _OnEachCall(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]  # grpcio ships no types
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
):
    """Adds the token and the deadline."""

    def __init__(self, token: str, call_seconds: float, bulk_seconds: float) -> None:
        self.token = (("authn-token", token),) if token else ()
        self.call_seconds, self.bulk_seconds = call_seconds, bulk_seconds

    def _call(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:  # noqa: ANN401
        method = details.method if isinstance(details.method, str) else details.method.decode()
        seconds = self.bulk_seconds if method.rpartition("/")[2] in BULK_METHODS else self.call_seconds
        more = (*(details.metadata or ()), *self.token)
        return go_on(_CallDetails(method, seconds, more, details.credentials, None, None), request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = _call
