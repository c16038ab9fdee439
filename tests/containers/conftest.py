"""Fixtures: a store of images, and both images in it. ``make test-images`` makes the store."""

import pytest

from tests.support.documents import README
from tests.support.podman import FULL, SLIM, Podman, gateway_store


@pytest.fixture(scope="session")
def podman() -> Podman:
    return gateway_store()


@pytest.fixture(scope="session")
def images(podman: Podman) -> None:
    """Both images, built as the README says, from nothing."""
    podman.build(README.command("make images").partition(" && ")[0])


@pytest.fixture(scope="session")
def slim(images: None) -> str:
    """The image of the gateway alone."""
    return SLIM


@pytest.fixture(scope="session")
def full(images: None) -> str:
    """The image that speaks and hears by itself."""
    return FULL
