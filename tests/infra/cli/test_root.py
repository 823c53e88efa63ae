"""The command tree: fast help, and an ending with a reason and a code for everything."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from datamill_infra.cli.failures import DISK_FULL, FAULT, INTERRUPTED, USAGE, exit_code_of
from datamill_infra.cli.root import COMMANDS, root
from datamill_infra.model.errors import BlockedError, ConfigurationError, DatamillError, LockedError

HEAVY = ("dagster", "pydantic", "rich", "yaml", "boto3", "mlflow", "pyarrow", "requests", "sqlalchemy")


def datamill(*arguments: str, home: Path | None = None, code: str = "") -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in {"DATAMILL_HOME", "DAGSTER_HOME"}}
    if home is not None:
        environment["DATAMILL_HOME"] = str(home)
    program = f"import sys; sys.argv = ['datamill', *{list(arguments)!r}]\n{code}\n"
    program += "from datamill_infra.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    report = f"import atexit; atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules]))"
    result = datamill("--help", code=report)
    assert result.returncode == 0
    assert all(f"  {name} " in result.stdout for name in COMMANDS)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_summary_that_the_list_shows(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[name]


def test_a_mistyped_command_is_a_usage_error_with_the_nearest_name() -> None:
    result = datamill("stauts")
    assert result.returncode == USAGE
    assert "Did you mean 'status'?" in result.stderr


def test_an_unknown_option_is_a_usage_error() -> None:
    assert datamill("components", "--jsno").returncode == USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatamillError("r", instruction="i"), 1),
        (ConfigurationError("r", instruction="i"), 5),
        (BlockedError("r", instruction="i"), 3),
        (LockedError("r", instruction="i"), 4),
        (click.UsageError("r"), USAGE),
        (KeyboardInterrupt(), INTERRUPTED),
        (OSError(errno.ENOSPC, "No space left on device", "/some/file"), DISK_FULL),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with exit_code_of() as outcome:
        raise error
    assert outcome.code == code
    assert capsys.readouterr().err


def test_a_full_disk_is_recognised_behind_the_error_of_a_library(capsys: pytest.CaptureFixture[str]) -> None:
    with exit_code_of() as outcome:
        raise RuntimeError("commit failed") from OSError(errno.ENOSPC, "No space left on device")
    assert outcome.code == DISK_FULL
    assert "disk is full" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_a_traceback_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with exit_code_of() as outcome:
        raise ZeroDivisionError("division by zero")
    assert outcome.code == FAULT
    told = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in told
    assert "Traceback" not in told
    file = Path(told.rsplit("The traceback is in ", 1)[1].strip().removesuffix("."))
    try:
        assert "Traceback" in file.read_text(encoding="utf-8")
    finally:
        file.unlink()


def test_a_reader_that_goes_away_is_no_fault() -> None:
    program = "from datamill_infra.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "components"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate(timeout=60)
    assert "Traceback" not in told
    assert "Unexpected" not in told


@pytest.mark.parametrize("command", ["components", "flavours"])
def test_reading_the_catalogue_needs_no_deployment_and_no_dagster(command: str, tmp_path: Path) -> None:
    report = "import atexit; atexit.register(lambda: print('dagster' in sys.modules, file=sys.stderr))"
    result = datamill(command, "--json", home=tmp_path / "none", code=report)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("[")
    assert result.stderr.splitlines()[-1] == "False"
    assert not (tmp_path / "none").exists()
