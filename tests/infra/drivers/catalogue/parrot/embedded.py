import json
from pathlib import Path

from datamill_infra.drivers.embedded.program import EmbeddedContext, Program


def programs(context: EmbeddedContext) -> list[Program]:
    settings = {
        "port": context.ports["http"],
        "password": context.secrets["password"],
        "data": str(context.paths.data),
        **context.values,
    }
    server = Path(__file__).parent / "server.py"
    return [
        Program(
            name=context.name,
            argv=(str(context.python), "-I", "-S", str(server), str(context.paths.config / "settings.json")),
            environment={"ECHO_SECRET": context.secrets["password"]},
            files={"settings.json": json.dumps(settings)},
            prepare=(context.paths.data / "prepared").touch,
        )
    ]
