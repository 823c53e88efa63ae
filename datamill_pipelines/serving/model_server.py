"""The one door to a model server: Open Inference Protocol V2 over HTTP, with its model repository extension.

The protocol: https://github.com/open-inference/open-inference-protocol
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from datamill_pipelines.serving.errors import ModelServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REQUEST_SECONDS = 30.0
LOAD_SECONDS = 120.0
READY_INTERVAL_SECONDS = 0.2
SHOWN_BODY = 500


class ModelServer:
    """A server that speaks the protocol.

    Args:
        url: base address, e.g. ``"http://127.0.0.1:8080"``.
        clock: monotonic seconds.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._clock, self._sleep = clock, sleep
        self._session = requests.Session()
        # Proxies and CA variables of the environment are meant for the outside.
        self._session.trust_env = False

    def load(self, name: str) -> None:
        """Load what the repository holds of a model, and drop the versions that it no longer holds.

        Raises:
            ModelServerError: the server could not load it; the server's reason is in the message.
        """
        self._post(f"/v2/repository/models/{quote(name, safe='')}/load", {}, timeout=LOAD_SECONDS)

    def is_ready(self, name: str, version: str) -> bool:
        """Whether a version of a model can be asked."""
        path = f"/v2/models/{quote(name, safe='')}/versions/{quote(version, safe='')}/ready"
        return self._send("GET", path, timeout=REQUEST_SECONDS).ok

    def wait_ready(self, name: str, version: str, *, timeout: float = LOAD_SECONDS) -> None:
        """Wait until a version of a model can be asked.

        Raises:
            ModelServerError: it was not ready within ``timeout`` seconds.
        """
        deadline = self._clock() + timeout
        while not self.is_ready(name, version):
            if self._clock() >= deadline:
                raise ModelServerError(
                    f"{name} version {version} at {self._url} was not ready within {timeout:g} s.",
                    instruction="Read the model server's log: `datamill logs mlserver`.",
                )
            self._sleep(READY_INTERVAL_SECONDS)

    def infer(
        self, name: str, version: str, request_id: str, inputs: Sequence[dict[str, Any]], output: str
    ) -> list[float]:
        """Ask a model.

        Args:
            name: of the model.
            version: of the model.
            request_id: the prediction's id; the server returns it.
            inputs: tensors as the protocol has them.
            output: name of the output tensor.

        Returns:
            The output's data, flat.

        Raises:
            ModelServerError: the server refused, or the answer lacks the output.
        """
        path = f"/v2/models/{quote(name, safe='')}/versions/{quote(version, safe='')}/infer"
        answer = self._post(path, {"id": request_id, "inputs": list(inputs)}, timeout=REQUEST_SECONDS)
        for tensor in answer.get("outputs", []):
            if tensor.get("name") == output:
                return [float(value) for value in tensor["data"]]
        raise ModelServerError(
            f"The answer of {name} version {version} has no output {output!r}.",
            instruction="Is this model published by Data Mill? `datamill run serve` publishes the champion again.",
        )

    def _post(self, path: str, body: object, *, timeout: float) -> dict[str, Any]:
        response = self._send("POST", path, body, timeout=timeout)
        if not response.ok:
            raise ModelServerError(
                f"{self._url}{path} answered {response.status_code}: {response.text[:SHOWN_BODY]}",
                instruction="Read the model server's log: `datamill logs mlserver`.",
            )
        if not response.content:
            return {}
        answer = response.json()
        return answer if isinstance(answer, dict) else {}

    def _send(self, method: str, path: str, body: object | None = None, *, timeout: float) -> requests.Response:
        try:
            return self._session.request(method, f"{self._url}{path}", json=body, timeout=timeout)
        except requests.RequestException as error:
            raise ModelServerError(
                f"The model server at {self._url} does not answer: {error}.",
                instruction="See `datamill status`; `datamill up` brings it back.",
            ) from error
