"""Connections to a pod through the API server: one WebSocket, whose frames begin with the number of a channel.

Protocol: ``v4.channel.k8s.io``, as in Kubernetes' ``apimachinery/pkg/util/remotecommand``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kubernetes.stream import ws_client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kubernetes.client import ApiClient
    from websocket import WebSocket

PROTOCOL = "v4.channel.k8s.io"


def open_channels(client: ApiClient, path: str, query: Iterable[tuple[str, str]]) -> WebSocket:
    """Connect to a subresource of a pod.

    Args:
        client: of the API server.
        path: of the subresource.
        query: its parameters.

    Raises:
        WebSocketException: the server refused.
        OSError: it cannot be reached.
    """
    headers, asked = {"sec-websocket-protocol": PROTOCOL}, list(query)
    client.update_params_for_auth(headers, asked, ["BearerToken"])
    url = ws_client.get_websocket_url(client.configuration.host + path, asked)
    return cast("WebSocket", ws_client.create_websocket(client.configuration, url, headers))
