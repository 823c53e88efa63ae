"""The Dagster UI in a real browser: deploy the demo, see it healthy, follow the graph across both code locations.

Needs the distribution's Chromium (`make test-browser` says so when it is missing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from infra.cli.running_ui import serving
from playwright.sync_api import Page, expect, sync_playwright

from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGE_MS, RUN_MS = 120_000, 300_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A deployment of the demo in which nothing runs yet; taken down with its data afterwards."""
    deployment = Deployment.write_default(tmp_path_factory.mktemp("browser") / ".datamill", "demo")
    link_dagster_yaml(deployment.home)
    try:
        yield deployment.home
    finally:
        with writer_lock(deployment, "test", wait_seconds=60):
            outcomes = Rollout(deployment).down(delete_data=True)
        assert all(outcome.succeeded for outcome in outcomes.values()), outcomes


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with serving(home) as ui:
        yield ui.url


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A page; what it showed last is kept in a file, which a failure names."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PAGE_MS)
        yield page
        last = tmp_path / "last.png"
        page.screenshot(path=last)
        print(f"the page as it was at the end: {last}")
        browser.close()


def test_deploying_in_the_browser_makes_kafka_materialised_and_healthy(page: Page, url: str) -> None:
    job = f"{url}/locations/datamill_infra/jobs/deploy_demo"
    page.goto(job)
    page.get_by_role("button", name="Materialize all").click()
    expect(page.get_by_text("Launched run").first).to_be_visible(timeout=PAGE_MS)
    # Its own list: a schedule of the other location starts runs of its own meanwhile.
    page.goto(f"{job}/runs")
    expect(page.get_by_text("Success", exact=True)).to_have_count(1, timeout=RUN_MS)
    page.goto(f"{url}/assets/infra/kafka?view=checks")
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(2, timeout=PAGE_MS)
    page.goto(f"{url}/assets/infra/kafka")
    expect(page.get_by_text("Latest materialization", exact=True)).to_be_visible(timeout=PAGE_MS)
    expect(page.get_by_text("1 broker, cluster").first).to_be_visible(timeout=PAGE_MS)


def test_the_graph_leads_from_the_model_through_raw_to_the_broker(page: Page, url: str) -> None:
    page.goto(f"{url}/assets/models/flight_delay?view=lineage&lineageScope=upstream&lineageDepth=5")
    # `infra` is of the other code location; the rest is of the pipelines', in the order of the data.
    for group in ("infra", "capabilities", "ingestion", "stream", "features", "training"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=PAGE_MS)
    for asset in ("kafka", "flights", "flight_delay"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible(timeout=PAGE_MS)
