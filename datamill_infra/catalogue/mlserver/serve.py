"""MLServer, with every model of its repository loaded, except those that cannot be.

MLServer's own command stops the whole server when one model of the repository does not load at the start, and a
supervised server would then start and stop for ever. Here the server starts empty and asks itself, by the repository
API that everybody uses, to load one model after the other; one that fails stays unready and is in the log.

Started as ``python serve.py SETTINGS``, SETTINGS being MLServer's own ``settings.json``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import uvloop
from mlserver import MLServer
from mlserver.settings import Settings

# A child of MLServer's own logger, which formats and prints.
log = logging.getLogger("mlserver.models")

# A model may import its whole framework while it loads.
LOAD_SECONDS = 300.0
LIVE_SECONDS = 60.0
PAUSE_SECONDS = 0.05
# Requests to ourselves; a proxy of the environment is not meant.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def serve(settings: Settings) -> None:
    """Serve until a signal stops the server."""
    server = MLServer(settings)
    loading = asyncio.create_task(load_models(f"http://{settings.host}:{settings.http_port}"))
    try:
        await server.start([])
    finally:
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading


async def load_models(url: str) -> None:
    """Load each model of the repository, by the V2 repository API."""
    async with asyncio.timeout(LIVE_SECONDS):
        while not await asyncio.to_thread(_is_live, url):  # noqa: ASYNC110  (the server has no event to wait for)
            await asyncio.sleep(PAUSE_SECONDS)
    models = await asyncio.to_thread(_post, f"{url}/v2/repository/index")
    for name in sorted({model["name"] for model in models}):
        try:
            await asyncio.to_thread(_post, f"{url}/v2/repository/models/{urllib.parse.quote(name, safe='')}/load")
        except urllib.error.HTTPError as error:
            log.error("The model %s does not load: %s", name, error.read().decode(errors="replace"))  # noqa: TRY400  (the trace is the server's, above)
        else:
            log.info("The model %s is loaded.", name)


def _is_live(url: str) -> bool:
    try:
        with OPENER.open(f"{url}/v2/health/live", timeout=1):
            return True
    except OSError:
        return False


def _post(url: str) -> Any:  # noqa: ANN401  (JSON)
    request = urllib.request.Request(url, data=b"{}", headers={"Content-Type": "application/json"})  # noqa: S310  (http, built above)
    with OPENER.open(request, timeout=LOAD_SECONDS) as response:
        body = response.read()
    return json.loads(body) if body else None


def main(settings_file: Path) -> None:
    """Serve as the settings say."""
    uvloop.run(serve(Settings(**json.loads(settings_file.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
