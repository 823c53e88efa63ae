"""Server artifacts: through jgo from a registry on loopback, verified, cached, and explained when that fails."""

from __future__ import annotations

import functools
import gc
import hashlib
import http.server
import re
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from datamill_infra.drivers.embedded.artifacts import Artifact, ArtifactCache, read_lock
from datamill_infra.drivers.embedded.lock_artifacts import lock
from datamill_infra.model.errors import ArtifactError, ConfigurationError, UnknownNameError

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>{name}</artifactId><version>{version}</version>
<dependencies>{dependencies}</dependencies></project>"""
DEPENDENCY = """<dependency><groupId>org.example</groupId><artifactId>{}</artifactId><version>{}</version>
<scope>{}</scope></dependency>"""


class Registry:
    """A Maven repository on loopback."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.lacking: list[str] = []
        self.dropping: list[str] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                filename = self.path.rpartition("/")[2]
                if filename in outer.dropping:
                    outer.dropping.remove(filename)
                    self.close_connection = True  # without an answer
                elif filename in outer.lacking:
                    outer.lacking.remove(filename)
                    self.send_error(404)
                else:
                    super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        handler = functools.partial(Handler, directory=str(root))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, name: str, version: str, *needs: tuple[str, str, str], content: bytes | None = None) -> Artifact:
        folder = self.root / "org" / "example" / name / version
        folder.mkdir(parents=True, exist_ok=True)
        content = content if content is not None else f"jar of {name} {version}".encode()
        (folder / f"{name}-{version}.jar").write_bytes(content)
        dependencies = "".join(DEPENDENCY.format(*need) for need in needs)
        (folder / f"{name}-{version}.pom").write_text(
            POM.format(name=name, version=version, dependencies=dependencies), encoding="utf-8"
        )
        return Artifact(f"org.example:{name}:{version}", hashlib.sha256(content).hexdigest())

    def replace_pom(self, name: str, version: str, content: bytes | None) -> None:
        """Put something else in the place of a POM, or nothing."""
        file = self.root / "org" / "example" / name / version / f"{name}-{version}.pom"
        file.unlink()
        if content is not None:
            file.write_bytes(content)

    def lack_once(self, filename: str) -> None:
        """Answer the next request for a file as if it were not there."""
        self.lacking.append(filename)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    registry = Registry(tmp_path / "repository")
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\nhere = http://127.0.0.1:{registry.server.server_port}\n", encoding="utf-8")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield registry
    registry.stop()
    with warnings.catch_warnings():
        # jgo leaves the answer to a request for something missing unread and unclosed. Collected here, it is not taken
        # for a fault of a later test.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache")


def test_artifacts_are_fetched_once_from_the_mirror_that_the_user_names(
    registry: Registry, cache: ArtifactCache
) -> None:
    wanted = [registry.add("one", "1.0"), registry.add("two", "2.0")]
    paths = cache.ensure(wanted)
    assert [path.read_bytes() for path in paths] == [b"jar of one 1.0", b"jar of two 2.0"]
    before = list(registry.requests)
    assert paths == cache.ensure(wanted)
    assert before == registry.requests


def test_a_classifier_is_part_of_the_name(registry: Registry, cache: ArtifactCache) -> None:
    registry.add("native", "1.0")
    folder = registry.root / "org/example/native/1.0"
    (folder / "native-1.0-linux.jar").write_bytes(b"linux")
    wanted = Artifact("org.example:native:1.0:linux", hashlib.sha256(b"linux").hexdigest())
    assert cache.ensure([wanted])[0].name == "native-1.0-linux.jar"


def test_another_digest_than_the_locks_is_refused_and_not_stored(registry: Registry, cache: ArtifactCache) -> None:
    artifact = registry.add("one", "1.0")
    forged = Artifact(artifact.coordinate, "0" * 64)
    with pytest.raises(ArtifactError, match=f"has SHA-256 {artifact.sha256}, but artifacts.lock says {'0' * 64}"):
        cache.ensure([forged])
    assert [path for path in cache.directory.rglob("*") if path.is_file()] == []


def test_a_damaged_copy_is_fetched_again_with_a_notice(registry: Registry, cache: ArtifactCache) -> None:
    artifact = registry.add("one", "1.0")
    (path,) = cache.ensure([artifact])
    path.write_bytes(path.read_bytes()[:-1])
    said: list[str] = []
    assert cache.ensure([artifact], said.append)[0].read_bytes() == b"jar of one 1.0"
    assert said[0] == "The cached one-1.0.jar is damaged (wrong SHA-256); fetching it again."


def test_a_copy_damaged_without_a_change_of_size_is_found(registry: Registry, cache: ArtifactCache) -> None:
    artifact = registry.add("one", "1.0")
    (path,) = cache.ensure([artifact])
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    assert cache.ensure([artifact])[0].read_bytes() == b"jar of one 1.0"


def test_a_damaged_copy_without_a_network_ends_with_both_reasons(registry: Registry, cache: ArtifactCache) -> None:
    artifact = registry.add("one", "1.0")
    (path,) = cache.ensure([artifact])
    path.write_bytes(b"rubbish")
    registry.stop()
    with pytest.raises(ArtifactError) as caught:
        cache.ensure([artifact])
    assert f"The cached copy {path} is damaged" in caught.value.reason
    assert "Connection refused" in caught.value.reason
    assert "Connect to the network" in caught.value.instruction


def test_a_cold_cache_without_a_network_ends_with_a_reason_and_an_instruction(
    registry: Registry, cache: ArtifactCache
) -> None:
    artifact = registry.add("one", "1.0")
    registry.stop()
    with pytest.raises(ArtifactError) as caught:
        cache.ensure([artifact])
    expected = "org.example:one:1.0 is not in the cache and the registry cannot be reached (Connection refused)."
    assert expected == caught.value.reason
    assert "HTTPS_PROXY" in caught.value.instruction
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.usefixtures("registry")
def test_what_no_registry_has_is_said_so(cache: ArtifactCache) -> None:
    with pytest.raises(ArtifactError, match=re.escape("No registry has org.example:nothing:1.0.")):
        cache.ensure([Artifact("org.example:nothing:1.0", "0" * 64)])


def test_what_was_fetched_before_a_failure_is_kept(registry: Registry, cache: ArtifactCache) -> None:
    good = [registry.add(f"jar{n}", "1.0") for n in range(20)]
    with pytest.raises(ArtifactError):
        cache.ensure([*good, Artifact("org.example:nothing:1.0", "0" * 64)])
    kept = [artifact for artifact in good if cache.path(artifact).exists()]
    assert kept
    before = list(registry.requests)
    cache.ensure(good)
    again = {Path(path).name for path in registry.requests[len(before) :]}
    assert not again & {artifact.filename for artifact in kept}


def test_several_checkouts_fill_one_cache_at_once(registry: Registry, tmp_path: Path) -> None:
    wanted = [registry.add(f"jar{n}", "1.0") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: ArtifactCache(tmp_path / "cache").ensure(wanted), range(4)))
    assert len(set(results)) == 1
    assert all(hashlib.sha256(p.read_bytes()).hexdigest() == a.sha256 for p, a in zip(results[0], wanted, strict=True))
    assert list((tmp_path / "cache" / "artifacts").glob(".fetch-*")) == []
    jars = [path for path in registry.requests if path.endswith(".jar")]
    assert len(set(jars)) == len(jars), "the second found what the first had fetched"


def test_a_connection_that_breaks_is_tried_again(registry: Registry, cache: ArtifactCache) -> None:
    artifact = registry.add("one", "1.0")
    registry.dropping += [artifact.filename] * 2
    (path,) = cache.ensure([artifact])
    assert path.read_bytes() == b"jar of one 1.0"
    assert registry.dropping == []


def test_a_cache_that_cannot_be_written_is_named(registry: Registry, tmp_path: Path) -> None:
    artifact = registry.add("one", "1.0")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"cannot be kept in .*/file/artifacts") as caught:
        ArtifactCache(tmp_path / "file").ensure([artifact])
    assert "DATAMILL_CACHE" in caught.value.instruction


def test_a_malformed_lock_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "artifacts.lock"
    file.write_text(f"# comment\norg.example:one:1.0 {'a' * 64}\norg.example:two:1.0 {'a' * 63}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"artifacts\.lock:3: 'org.example:two:1.0"):
        read_lock(file)


def test_locking_resolves_what_is_needed_at_run_time_and_respects_exclusions_and_pins(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("server", "1.0", ("library", "1.0", "compile"), ("heavy", "1.0", "compile"), ("checks", "1.0", "test"))
    registry.add("library", "1.0", ("parser", "0.1", "runtime"))
    registry.add("heavy", "1.0")
    registry.add("parser", "0.1")
    registry.add("parser", "0.2", ("unwanted", "1.0", "compile"))
    (tmp_path / "artifacts.yaml").write_text(
        "roots: [org.example:server:1.0]\nalone: [org.example:parser:0.2]\nexclude: [org.example:heavy]\n",
        encoding="utf-8",
    )
    artifacts = lock(tmp_path)
    assert [artifact.coordinate.removeprefix("org.example:") for artifact in artifacts] == [
        "server:1.0",
        "parser:0.2",
        "library:1.0",
    ]
    assert tuple(artifacts) == read_lock(tmp_path / "artifacts.lock")
    assert hashlib.sha256(b"jar of server 1.0").hexdigest() == artifacts[0].sha256


@pytest.mark.parametrize("pom", [None, b"not XML"])
def test_a_pom_that_cannot_be_built_is_an_error_and_nothing_is_locked(
    registry: Registry, tmp_path: Path, pom: bytes | None
) -> None:
    registry.add("server", "1.0", ("library", "1.0", "compile"))
    registry.add("library", "1.0", ("parser", "0.1", "compile"))
    registry.add("parser", "0.1")
    registry.replace_pom("library", "1.0", pom)
    (tmp_path / "artifacts.yaml").write_text("roots: [org.example:server:1.0]\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"POM .*cannot be built"):
        lock(tmp_path)
    assert not (tmp_path / "artifacts.lock").exists()


def test_a_pom_that_comes_at_the_second_attempt_brings_what_it_needs(registry: Registry, tmp_path: Path) -> None:
    registry.add("server", "1.0", ("library", "1.0", "compile"))
    registry.add("library", "1.0", ("parser", "0.1", "compile"))
    registry.add("parser", "0.1")
    registry.lack_once("library-1.0.pom")
    (tmp_path / "artifacts.yaml").write_text("roots: [org.example:server:1.0]\n", encoding="utf-8")
    coordinates = [artifact.coordinate.removeprefix("org.example:") for artifact in lock(tmp_path)]
    assert coordinates == ["server:1.0", "library:1.0", "parser:0.1"]


def test_a_typo_in_artifacts_yaml_is_found(tmp_path: Path) -> None:
    (tmp_path / "artifacts.yaml").write_text("rots: [org.example:server:1.0]\n", encoding="utf-8")
    with pytest.raises(UnknownNameError, match="there is no key 'rots'") as caught:
        lock(tmp_path)
    assert caught.value.nearest == "roots"


@pytest.mark.parametrize(
    "folder", sorted((Path(__file__).parents[3] / "datamill_infra" / "catalogue").glob("*/artifacts.lock"))
)
def test_shipped_locks_are_well_formed_and_made_from_what_they_lie_beside(folder: Path) -> None:
    artifacts = read_lock(folder)
    wanted = (folder.parent / "artifacts.yaml").read_text(encoding="utf-8")
    assert artifacts
    assert artifacts[0].coordinate in wanted
    assert len(artifacts) == len({artifact.coordinate for artifact in artifacts})
