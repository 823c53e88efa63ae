"""The door to one API server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from datamill_infra.kubernetes.objects import Object, Ref

FIELD_MANAGER = "datamill"
"""Under this name the server records what is written through :meth:`Cluster.apply`."""


@dataclass(frozen=True)
class Resource:
    """How the server serves a kind.

    Attributes:
        plural: as in addresses, e.g. ``statefulsets``.
        namespaced: whether its objects are in a namespace.
    """

    plural: str
    namespaced: bool


@dataclass(frozen=True, order=True)
class Kind:
    """One kind of objects that can be listed.

    Attributes:
        api_version: in which the server prefers to serve it.
        kind: its name.
        namespaced: whether its objects are in a namespace.
    """

    api_version: str
    kind: str
    namespaced: bool

    @property
    def group(self) -> str:
        """Of the kind; empty for Kubernetes' first ones."""
        return self.api_version.rpartition("/")[0]


class Reader(ABC):
    """Objects, as somebody has them."""

    @abstractmethod
    def get(self, ref: Ref) -> Object | None:
        """One object; ``None`` when it is not there, or its kind is not served."""

    @abstractmethod
    def find(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """Objects of a kind.

        Args:
            api_version: of the kind.
            kind: of the objects; none are found of a kind that is not served.
            namespace: all, when empty.
            labels: a label selector; all, when empty.
        """


class Cluster(Reader):
    """Everything we ask of an API server, and do to it. Methods are called from several threads.

    Each may raise :class:`.errors.UnreachableError` or :class:`.errors.RefusedError`.
    """

    context: str
    """Name of the kubeconfig's context, always explicit."""

    inside: bool = False
    """Whether this process runs in the cluster, so that names of services mean something here."""

    @abstractmethod
    def resource(self, api_version: str, kind: str) -> Resource | None:
        """How a kind is served; ``None`` when it is not, e.g. because its definition is not there yet."""

    @abstractmethod
    def kinds(self) -> list[Kind]:
        """Every kind that can be listed, once each; those of a group whose server is away are left out."""

    @abstractmethod
    def create(self, item: Object) -> Object:
        """Make an object.

        Raises:
            ConflictError: it is there.
            InvalidObjectError: the server does not accept it.
        """

    @abstractmethod
    def replace(self, item: Object) -> Object:
        """Write an object that was read before, unless somebody else has written it since.

        Raises:
            ConflictError: somebody has.
        """

    @abstractmethod
    def apply(self, item: Object) -> Object:
        """Set the fields that ``item`` has, whoever owns them, and leave the others alone (server-side apply).

        Raises:
            InvalidObjectError: the server does not accept it.
        """

    @abstractmethod
    def patch(self, ref: Ref, operations: Sequence[Object]) -> Object:
        """Change an object by JSON patch operations.

        Raises:
            ConflictError: the object is not as the operations say.
            InvalidObjectError: the result is not accepted.
        """

    @abstractmethod
    def delete(self, ref: Ref) -> None:
        """Delete an object and what it owns, in the background; nothing there is no error."""

    @abstractmethod
    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> list[str]:
        """The last lines of a container, oldest first; none when there is no log."""

    @abstractmethod
    def follow_log(self, namespace: str, pod: str, container: str, *, new_only: bool) -> Iterator[str]:
        """Lines of a container as it writes them, until it ends; ``new_only``: without those that it has written."""

    @abstractmethod
    def allowed(self, verb: str, api_version: str, kind: str, namespace: str) -> bool:
        """Whether we may do this."""

    @abstractmethod
    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes],
    ) -> None:
        """Run a program in a container to its end.

        Args:
            namespace: of the pod.
            pod: its name.
            container: of the pod.
            command: program and arguments; no secrets.
            stdin: what it reads; it must know how much it gets, for the end is not told to it.
            stdout: what it writes goes here.

        Raises:
            ClusterError: it ended with an error, or the stream broke off.
        """

    @abstractmethod
    def connect(self, namespace: str, pod: str, port: int) -> socket.socket:
        """A stream to a port of a pod, through the API server.

        Returns:
            A socket; closing it ends the stream.
        """
