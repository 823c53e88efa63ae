"""Answers with its greeting and process id; counts its starts in a file; creates what it is asked to."""

import http.server
import json
import os
import subprocess
import sys
from pathlib import Path

settings = json.loads(Path(sys.argv[1]).read_text())
data = Path(settings["data"])
starts = data / "starts"
(data / "counting").write_text(str(int(starts.read_text() if starts.exists() else 0) + 1))
(data / "counting").replace(starts)  # tests kill it at any moment
sys.stderr.write("echo starts\n")
if settings["crash"]:
    sys.stderr.write("cannot go on: the flux is out of tune\n")
    sys.exit(3)
if settings["child"]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (data / "child").write_text(str(child.pid))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers["Authorization"] != settings["password"]:
            self.send_response(401)
            self.end_headers()
            return
        if self.path.startswith("/claim/"):
            (data / "claims").open("a").write(self.path.removeprefix("/claim/") + "\n")
        body = json.dumps({"greeting": settings["greeting"], "pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


http.server.HTTPServer(("127.0.0.1", settings["port"]), Handler).serve_forever()
