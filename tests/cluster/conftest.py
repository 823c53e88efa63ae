"""One lab for all tests here, made before the first and removed after the last.

A machine without root or Go does not skip these tests: it fails them, with the reason that a user would get.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cluster.cluster import Cluster
from cluster.demo import OWN, Content, Demo, content_made_here

from datamill_infra.clusters.commands import RealCommands
from datamill_infra.clusters.lab.builds import HELM, GoBuilds
from datamill_infra.clusters.lab.images import write_image
from datamill_infra.clusters.lab.provider import LabProvider
from datamill_infra.clusters.lab.requirements import install_missing, require_root
from datamill_infra.images.building import ImageBuilder
from datamill_infra.images.sources import IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("cluster")
            item.add_marker(pytest.mark.timeout(2400))  # the first test waits for the builds
            # A stream through the API server whose pod goes away is closed when it is collected.
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
    # First what needs no images, while they are built; last the demo, which alone fills the node.
    items.sort(key=lambda item: ("demo" in _fixtures(item), "images" in _fixtures(item)))


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with the image that the pods of these tests run."""
    require_root("A test in a real cluster")
    install_missing(RealCommands(), notify=print, programs={"busybox": "busybox-static"})
    archive = tmp_path_factory.mktemp("images") / "busybox.tar"
    write_image(archive, "datamill.lab/busybox:1", Path(shutil.which("busybox") or "/bin/busybox"))
    return archive


def _asked_for(request: pytest.FixtureRequest, fixture: str) -> bool:
    return any(fixture in _fixtures(item) for item in request.session.items)


@pytest.fixture(scope="session")
def ready() -> threading.Event:
    """Set once the lab is there."""
    return threading.Event()


@dataclass(frozen=True)
class Beside:
    """What goes on beside the first tests, one after the other; most of those wait for pods."""

    images: Future[None]
    here: Future[Content]


@pytest.fixture(scope="session", autouse=True)
def beside(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    provider: LabProvider,
    ready: threading.Event,
) -> Iterator[Beside]:
    """The images of the charts are made and given to the lab, and the example runs on this machine, if it is asked."""

    def make() -> None:
        base = builder.build_base()
        # What others stand on comes with them.
        built = [builder.build(image, base=base) for image in IMAGES.values() if image.name != "runtime"]
        archive = builder.save(built, tmp_path_factory.mktemp("images") / "images.tar")
        ready.wait()
        provider.load_image(NAME, archive)
        archive.unlink()

    with ThreadPoolExecutor(1, thread_name_prefix="beside") as pool:
        images, here = Future[None](), Future[Content]()
        if _asked_for(request, "images"):
            require_root("Building images")
            install_missing(RealCommands(), notify=print, programs={"buildah": "buildah", "debootstrap": "debootstrap"})
            builder = ImageBuilder(RealCommands(), notify=print, own=sorted(OWN.iterdir()))
            images = pool.submit(make)
        if _asked_for(request, "here"):
            here = pool.submit(content_made_here, tmp_path_factory.mktemp("here") / "home")
        yield Beside(images, here)
        ready.set()  # nobody shall wait for a lab that did not come


@pytest.fixture(scope="session")
def provider() -> LabProvider:
    return LabProvider()


@pytest.fixture(scope="session")
def lab(provider: LabProvider, busybox: Path, ready: threading.Event) -> Iterator[str]:
    """The name of a lab that is ready."""
    provider.delete(NAME)
    try:
        provider.create(NAME, notify=print)
        provider.load_image(NAME, busybox)
        ready.set()
        yield NAME
    finally:
        provider.delete(NAME, notify=print)


@pytest.fixture(scope="session")
def audited(provider: LabProvider, lab: str) -> Callable[[], list[str]]:
    """The administrator's writes to the API server so far, leases and events aside; the tests have no other user."""
    found = provider.records.find(lab)
    assert found is not None
    log = found.path("log", "audit.log")

    def written() -> list[str]:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return [
            f"{line['verb']} {line['requestURI']}"
            for line in lines
            if line["user"]["username"] == "lab-admin" and "dryRun=All" not in line["requestURI"]
        ]

    return written


@pytest.fixture(scope="session")
def helm() -> Iterator[Path]:
    """The real ``helm``, in ``PATH``."""
    program = GoBuilds(RealCommands(), notify=print).program(HELM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        yield program


@pytest.fixture(scope="session")
def images(lab: str, beside: Beside) -> None:
    """The lab has the images of the charts."""
    del lab
    beside.images.result()


@pytest.fixture(scope="session")
def lab_kubeconfig(
    provider: LabProvider, lab: str, images: None, helm: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A kubeconfig and its context, for a lab that has the images of the charts."""
    del helm, images
    file = tmp_path_factory.mktemp("charts") / "kubeconfig"
    file.write_text(provider.kubeconfig(lab))
    return file, provider.context(lab)


@pytest.fixture(scope="session")
def here(beside: Beside) -> Content:
    """What the example's pipelines make on this machine."""
    return beside.here.result()


@pytest.fixture(scope="session")
def demo(lab_kubeconfig: tuple[Path, str], beside: Beside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo with the platform as a code location: up, and at the end gone without a trace."""
    if beside.here.running():  # both at once would be too much for a small machine
        wait([beside.here])
    file, context = lab_kubeconfig
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Demo(tmp_path_factory.mktemp("demo") / "home", file, context, "mill-demo")
        made.bring_up()
        yield made
        made.run("down", "--delete-data", "--yes", "--prove-clean")


@pytest.fixture
def cluster(provider: LabProvider, lab: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A namespace of the test's own, at the level *restricted*."""
    namespace = request.node.name.removeprefix("test_").replace("_", "-")[:60].rstrip("-")
    made = Cluster(provider.kubeconfig(lab), namespace)
    made.make_namespace()
    yield made
    made.core.delete_namespace(namespace)


@pytest.fixture
def second_lab(provider: LabProvider, busybox: Path) -> Iterator[Callable[[str], Cluster]]:
    """Makes further labs, with the image loaded, and removes them afterwards."""
    names: list[str] = []

    def make(name: str) -> Cluster:
        names.append(name)
        provider.create(name, notify=print)
        provider.load_image(name, busybox)
        return Cluster(provider.kubeconfig(name), "default")

    yield make
    for name in names:
        provider.delete(name, notify=print)
