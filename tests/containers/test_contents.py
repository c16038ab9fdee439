"""What is in the images, and what is not."""

import asyncio
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from speech_gateway import __version__
from tests.support.paths import ROOT
from tests.support.podman import BASE, Podman

pytestmark = pytest.mark.timeout(600)

MEGABYTE = 1_000_000
DOC = "/usr/share/doc/speech-gateway"
STALE_BYTECODE = """
import sys, speech_gateway.__main__
UNCHECKED = (1).to_bytes(4, "little")
for module in list(sys.modules.values()):
    source, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
    frozen = getattr(getattr(module, "__spec__", None), "origin", None) == "frozen"
    if source and source.endswith(".py") and not frozen:
        try:
            fine = open(cached, "rb").read(8)[4:] == UNCHECKED
        except (OSError, TypeError):
            fine = False
        if not fine:
            print(source)
"""


@pytest.fixture(params=["slim", "full"])
def image(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


async def added(podman: Podman, image: str) -> int:
    """Return the bytes that an image adds to its base."""
    return int((await podman.inspect(image))["Size"] - (await podman.inspect(BASE))["Size"])


async def sbom(podman: Podman, image: str) -> dict[str, Any]:
    return dict(json.loads(await podman.shell(image, f"cat {DOC}/sbom.cdx.json")))


async def test_the_slim_image_is_small(podman: Podman, slim: str) -> None:
    assert await added(podman, slim) < 50 * MEGABYTE


async def test_the_full_image_is_no_larger_than_told(podman: Podman, full: str) -> None:
    assert await added(podman, full) < 650 * MEGABYTE


async def test_the_same_sources_make_the_same_digest_whoever_builds_them(podman: Podman) -> None:
    images = {builder: f"localhost/made-with-{builder}" for builder in ("podman", "buildah")}
    for builder, image in images.items():
        build = f"CONTAINER={builder} scripts/build-image slim {image} --no-cache --pull-never"
        await asyncio.to_thread(podman.build, build)

    first, second = [await podman.inspect(image) for image in images.values()]
    assert (second["Id"], second["Digest"]) == (first["Id"], first["Digest"])


async def test_a_builder_is_given_what_the_image_is_made_of_and_nothing_beside(
    podman: Podman, tmp_path: Path
) -> None:
    await podman.run("clone", "--quiet", ROOT, tmp_path / "clone", program="git")
    for stray in ("config/my-token", "config/prometheus/keys", "speech_gateway/__pycache__/x.pyc"):
        path = tmp_path / "clone" / stray
        path.parent.mkdir(exist_ok=True)
        path.write_text("secret")
    (tmp_path / "Containerfile").write_text(f"FROM {BASE}\nCOPY . /given\n")

    image = "localhost/what-a-builder-is-given"
    build = ("bud", "--pull-never", "--file", tmp_path / "Containerfile", "--tag", image)
    await podman.run(*build, tmp_path / "clone", program="buildah")

    given = await podman.shell(image, "cd /given && find . ! -type d")
    kept = ("LICENSE", "README.rst", "pyproject.toml", "setup.cfg")
    folders = ("config", "deploy/image", "requirements", "speech_gateway", "systemd")
    tracked = await podman.run("ls-files", *kept, *folders, program="git")
    assert sorted(given.replace("./", "").split()) == sorted(tracked.split())


def wrong_hashes(entry: str) -> str:
    return re.sub("sha256:[0-9a-f]{64}", "sha256:" + 64 * "0", entry)


def left_out(_: str) -> str:
    return ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (wrong_hashes, "Hash mismatch for `aiosignal"),
        (left_out, "That is not locked in requirements/image.txt"),
    ],
    ids=["another hash", "not in the list"],
)
async def test_what_is_not_as_locked_stops_the_build(
    podman: Podman, tmp_path: Path, change: Callable[[str], str], told: str
) -> None:
    for name in ("requirements", "deploy", "speech_gateway", "config", "systemd"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Containerfile", "setup.cfg", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    locked = tmp_path / "requirements/image.txt"
    (entry,) = re.findall(r"^aiosignal==.*\n(?: .*\n)*", locked.read_text(), re.MULTILINE)
    locked.write_text(locked.read_text().replace(entry, change(entry)))

    ended = await podman.try_to(
        *("bud", "--pull-never", "--layers", "--force-rm", "--build-arg", "EXTRAS=", tmp_path),
        program="buildah",
    )

    assert ended.status != 0
    assert told in ended.output


async def test_it_says_what_it_is_and_how_it_is_to_be_run(podman: Podman, image: str) -> None:
    told = await podman.inspect(image)
    config = told["Config"]

    assert config["User"] == "65532:65532"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/opt/speech-gateway/bin/speech-gateway"]
    assert told["Healthcheck"]["Test"] == ["CMD", *config["Entrypoint"], "--health"]
    prefix = "org.opencontainers.image."
    assert config["Labels"][f"{prefix}version"] == __version__
    assert config["Labels"][f"{prefix}licenses"] == "MPL-2.0"
    assert re.fullmatch("[0-9a-f]{40}", config["Labels"][f"{prefix}revision"])


async def test_nothing_of_the_build_is_left_inside(podman: Podman, image: str) -> None:
    tools = r"pip[0-9.]*\|uv\|setuptools\|wheel\|cyclonedx.*\|strip"
    places = "/finish /source /tools /var/lib/apt/lists/* /var/cache/* /var/log/*"

    found = await podman.shell(
        image,
        f"find / -xdev -regex '.*/\\({tools}\\)'; ls -d {places} 2>/dev/null || true",
        *("--user", "0"),
    )

    assert found == ""


async def test_nothing_inside_can_be_changed_by_who_gets_in(podman: Podman, image: str) -> None:
    assert await podman.shell(image, "find /etc /opt /usr /var/lib -writable ! -type l") == ""


async def test_an_https_backend_can_be_verified(podman: Podman, image: str) -> None:
    count = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"

    assert int(await podman.shell(image, f'/opt/speech-gateway/bin/python -c "{count}"')) > 100


async def test_the_bytecode_counts_whatever_the_times_of_its_sources_are(
    podman: Podman, image: str
) -> None:
    """Else every start, and every health check, compiles all of it in vain."""
    python = "/opt/speech-gateway/bin/python -B -c"

    assert await podman.shell(image, f"{python} '{STALE_BYTECODE}'") == ""


async def test_its_bill_of_materials_is_valid_and_complete(podman: Podman, image: str) -> None:
    text = await podman.shell(image, f"cat {DOC}/sbom.cdx.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None

    listed = {component["name"].lower() for component in json.loads(text)["components"]}
    debian = await podman.shell(image, "dpkg-query -W -f '${Package}\\n'")
    environment = await podman.shell(
        image, "ls /opt/speech-gateway/lib/python3*/site-packages | grep dist-info"
    )
    names = [line.partition("-")[0].lower() for line in environment.splitlines()]
    assert {name.replace("-", "_") for name in listed} == {
        name.replace("-", "_") for name in [*names, *debian.split()]
    }


async def test_every_library_is_one_of_the_locked(podman: Podman, image: str) -> None:
    text = (ROOT / "requirements/image.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+==[^ ]+)", text, re.MULTILINE))

    components = (await sbom(podman, image))["components"]

    found = {
        f"{component['name'].lower().replace('_', '-')}=={component['version']}"
        for component in components
        if component["purl"].startswith("pkg:pypi/")
    }
    assert found - locked == {f"speech-gateway=={__version__}"}


async def test_the_licence_of_everything_is_told(podman: Podman, image: str) -> None:
    components = (await sbom(podman, image))["components"]

    text = await podman.shell(image, f"cat {DOC}/licences.txt")

    told = dict(line.rsplit(": ", 1) for line in text.partition("\n\n")[2].splitlines())
    assert told.keys() == {f"{found['name']} {found['version']}" for found in components}
    assert told[f"speech-gateway {__version__}"] == "MPL-2.0"
    assert all(told.values())
