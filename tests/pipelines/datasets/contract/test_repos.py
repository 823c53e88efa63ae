"""Repos: made once, found again, and named within limits."""

from __future__ import annotations

import pytest
from pipelines.datasets.contract.providers import Provider

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets import DatasetStore, Repo
from datamill_pipelines.datasets.errors import ExistsError, InvalidNameError


def test_a_new_repo_is_listed_and_keeps_its_description(provider: Provider, store: DatasetStore) -> None:
    name = provider.repo_name()
    assert name not in store.repos()
    store.create_repo(name, "Every departure from New York.")
    again = provider.open()
    assert name in again.repos()
    assert again.repo(name).name == name
    assert again.repo(name).description == "Every departure from New York."


def test_repos_are_listed_in_order(provider: Provider, store: DatasetStore) -> None:
    names = [provider.repo_name(stem) for stem in ("raw/weather", "raw/airports", "features/delay")]
    for name in names:
        store.create_repo(name)
    assert sorted(names) == [name for name in store.repos() if name in names]


def test_a_taken_name_is_refused_unless_the_existing_repo_will_do(repo: Repo, store: DatasetStore) -> None:
    with repo.commit() as txn:
        txn.put("a", b"1")
    with pytest.raises(ExistsError):
        store.create_repo(repo.name)
    assert store.create_repo(repo.name, exist_ok=True).resolve().id == txn.commit.id


def test_a_sound_store_is_found_sound(repo: Repo, store: DatasetStore) -> None:
    with repo.commit() as txn:
        txn.put("a", b"1")
    assert store.fsck().is_sound


def test_a_missing_repo_is_an_error_that_offers_the_nearest_name(repo: Repo, store: DatasetStore) -> None:
    with pytest.raises(UnknownNameError) as caught:
        store.repo(repo.name + "x")
    assert caught.value.nearest == repo.name


@pytest.mark.parametrize("name", ["", "/flights", "raw/", "raw flights", "../flights", "raw/a~b", "raw@main"])
def test_names_that_could_be_misread_are_refused(store: DatasetStore, name: str) -> None:
    with pytest.raises(InvalidNameError):
        store.create_repo(name)


@pytest.mark.parametrize("name", ["", "a b", "main~1", "a@b", "../main"])
def test_branch_names_that_could_be_misread_are_refused(repo: Repo, name: str) -> None:
    with pytest.raises(InvalidNameError), repo.commit(name) as txn:
        txn.put("a", b"1")
    assert repo.branches == {}
