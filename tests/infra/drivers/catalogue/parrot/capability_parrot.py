import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "echo_protocol", Path(__file__).parents[1] / "echo" / "capability_echo.py"
)
_echo = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_echo)
probe, environment = _echo.probe, _echo.environment
