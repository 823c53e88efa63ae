"""Whether a Pachyderm server answers: the probe of ``datasets`` for the provider ``pachyderm``.

Fields: ``url`` (``grpc://host:port``, ``grpcs://host:port`` with TLS); secret: ``token``, where the server has
authentication.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from datamill_infra.capabilities.attempt import Attempt, host_and_port

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

DEFAULT_PORT = 30650


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Ask for the version, and for the projects, which takes a valid token.

    Raises:
        UnhealthyError: the SDK is not installed, nothing answers, or the token is refused.
    """
    url = connection.text("url")
    attempt = Attempt(connection, url, timeout)
    scheme = url.partition("://")[0]
    if scheme not in {"grpc", "grpcs"}:
        raise attempt.failed(
            "the address is not that of a Pachyderm server",
            instruction="Write grpc://host:port, or grpcs://host:port for TLS, in deployment.yaml.",
        )
    if find_spec("pachyderm_sdk") is None:
        raise attempt.failed(
            "the Python package pachyderm-sdk is not installed",
            instruction="Install the extra: pip install 'datamill[pachyderm]'.",
        )
    # Half a second to import, and an extra.
    import grpc  # noqa: PLC0415
    from betterproto.lib.google.protobuf import Empty  # noqa: PLC0415
    from pachyderm_sdk.api.pfs import ListProjectRequest, ProjectInfo  # noqa: PLC0415
    from pachyderm_sdk.api.version import Version  # noqa: PLC0415

    # The budget is the server's: on a busy machine the imports alone could use it up.
    attempt = Attempt(connection, url, timeout)
    host, port = host_and_port(url, DEFAULT_PORT)
    attempt.reach(host, port)
    address = f"{host}:{port}"
    credentials = grpc.ssl_channel_credentials() if scheme == "grpcs" else None
    token = str(connection.get("token") or "")
    metadata = (("authn-token", token),) if token else ()
    with grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address) as channel:
        ask_version = channel.unary_unary("/versionpb_v2.API/GetVersion", bytes, Version.FromString)
        ask_projects = channel.unary_stream("/pfs_v2.API/ListProject", bytes, ProjectInfo.FromString)
        try:
            version = ask_version(Empty(), timeout=attempt.left("asking for the version"))
            left = attempt.left("listing the projects")
            projects = sum(1 for _ in ask_projects(ListProjectRequest(), timeout=left, metadata=metadata))
        except grpc.RpcError as error:
            details = str(error.details()).partition("\n")[0]
            if error.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}:
                raise attempt.refused(details) from None
            raise attempt.failed(f"{error.code().name}: {details}") from None
    name = f"{version.major}.{version.minor}.{version.micro}{version.additional}"
    return attempt.observed(f"Pachyderm {name}, {projects} projects", version=name, projects=projects)
