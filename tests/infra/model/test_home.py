from __future__ import annotations

from pathlib import Path

import pytest

from datamill_infra.model.catalogue import default_catalogue_folders
from datamill_infra.model.home import CODE, Home


def test_an_image_may_have_a_users_code_where_the_deployment_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.delenv(CODE, raising=False)
    assert (tmp_path / "home" / "catalogue", tmp_path / "home" / "pipelines") == (home.catalogue_dir, home.pipeline_dir)
    monkeypatch.setenv(CODE, str(tmp_path / "own"))
    assert (tmp_path / "own" / "catalogue", tmp_path / "own" / "pipelines") == (home.catalogue_dir, home.pipeline_dir)
    assert tmp_path / "own" / "catalogue" == default_catalogue_folders(home.home)[0]
    assert tmp_path / "home" / "flavours" == home.flavour_dir
