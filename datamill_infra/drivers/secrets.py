"""Generated secrets of one deployment: made once, kept in one 0600 file, read at the moment of use."""

from __future__ import annotations

import json
import secrets
import threading
from typing import TYPE_CHECKING

from datamill_infra.drivers.files import write_private
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# 128 bits, in hexadecimal: needs no quoting in properties, YAML, XML, URLs, JAAS lines or shells.
SECRET_BYTES = 16

# The writer lock keeps other processes out. In this one, threads deploy components, each with a store of its own.
_writing = threading.Lock()


class SecretStore:
    """The secrets of one deployment by name, e.g. ``kafka.password``.

    Args:
        file: where they are kept, ``state/secrets.json``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, str]:
        """All secrets.

        Raises:
            ConfigurationError: the file is damaged. Nothing is generated in its place: data may depend on the old ones.
        """
        try:
            return {str(k): str(v) for k, v in json.loads(self.file.read_text(encoding="utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"{self.file} is damaged.",
                instruction="Restore it from a copy, or give up the data with `datamill down --delete-data`.",
            ) from error

    def ensure(self, names: Iterable[str]) -> dict[str, str]:
        """Generate what is missing of ``names``, and return all secrets. Callers hold the writer lock.

        Raises:
            ConfigurationError: the file is damaged.
            StateError: it cannot be written.
        """
        with _writing:
            known = self.read()
            missing = {name: secrets.token_hex(SECRET_BYTES) for name in names if name not in known}
            if missing:
                known |= missing
                self._write(known)
            return known

    def put(self, values: Mapping[str, str]) -> None:
        """Remember secrets that a user gave. Callers hold the writer lock.

        Raises:
            ConfigurationError: the file is damaged.
            StateError: it cannot be written.
        """
        with _writing:
            known = self.read()
            if any(known.get(name) != value for name, value in values.items()):
                self._write({**known, **values})

    def forget(self, names: Iterable[str]) -> None:
        """Remove secrets. Callers hold the writer lock."""
        with _writing:
            known = self.read()
            gone = set(names) & known.keys()
            if gone:
                self._write({name: value for name, value in known.items() if name not in gone})

    def _write(self, values: Mapping[str, str]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.file, json.dumps(values, indent=2, sort_keys=True))
