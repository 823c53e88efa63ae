"""S3Proxy over the file system: one process, objects as files below the data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamill_infra.drivers.embedded.program import EmbeddedContext, Program

CONFIGURATION = """\
s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={access_key}
s3proxy.credential={secret_key}
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir={data}
"""


def programs(context: EmbeddedContext) -> list[Program]:
    """The server; its credentials are in the configuration file, which only the user can read."""
    configuration = CONFIGURATION.format(
        port=context.ports["http"],
        access_key=context.secrets["access_key"],
        secret_key=context.secrets["secret_key"],
        data=escaped(str(context.paths.data)),
    )
    return [
        context.java_program(
            "org.gaul.s3proxy.Main",
            "--properties",
            str(context.paths.config / "s3proxy.conf"),
            heap=str(context.values["heap"]),
            options=(
                # Half the processor time at the start, and the same throughput: hashing is in compiled stubs anyway.
                "-XX:TieredStopAtLevel=1",
                # S3Proxy turns standard error into log records, so records must not be written there.
                "-Dorg.slf4j.simpleLogger.logFile=System.out",
                "-Dorg.slf4j.simpleLogger.cacheOutputStream=true",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            ),
            files={"s3proxy.conf": configuration},
        )
    ]


def escaped(text: str) -> str:
    """Text as the value in a Java properties file."""
    return "".join(
        character if " " <= character <= "~" and character != "\\" else f"\\u{ord(character):04x}" for character in text
    )
