"""What the compose file mounts is there, and is right where it is mounted."""

import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from speech_gateway.upstream.bearer_token import BearerToken
from tests.support.compose import DEPLOY, KEYS, NAMES, model, mounts, services
from tests.support.haproxy import SERVERS, haproxy
from tests.support.monitoring import CONFIG as SHIPPED_PROMETHEUS
from tests.support.monitoring import DASHBOARD, RULES
from tests.support.paths import ROOT

MAKE_SECRETS = DEPLOY / "make-secrets"
PIPELINES = ROOT / "speech_gateway" / "pipelines"
PROMETHEUS = "/etc/prometheus/prometheus.yml"
PROVISIONING = "/etc/grafana/provisioning"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def laid_out(service: str, folder: Path) -> None:
    """Lay the files that a service sees beside one another, as they are mounted."""
    for target, source in mounts(service).items():
        shutil.copy(source, folder / Path(target).name)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_mounts_is_in_the_repository(name: str) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")

    for volume in services()[name].get("volumes", []):
        if volume["type"] == "bind":
            path = str(Path(volume["source"]).relative_to(ROOT))
            assert volume["read_only"], path
            assert [file for file in tracked if file == path or file.startswith(f"{path}/")], path
        else:
            assert volume["source"] in model()["volumes"]


# --- secrets


def test_the_script_makes_every_secret_and_leaves_alone_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run([MAKE_SECRETS, folder], check=True)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    (folder / "skit-token").write_text("a-token-of-streamkits\n")

    subprocess.run([MAKE_SECRETS, folder], check=True)

    assert set(made) == set(model()["secrets"])
    assert len(made["grafana-password"].strip()) == 32
    assert (folder / "grafana-password").read_text() == made["grafana-password"]
    assert (folder / "skit-token").read_text() == "a-token-of-streamkits\n"


def test_only_the_owner_comes_to_the_secrets_and_containers_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run([MAKE_SECRETS, folder], check=True, umask=0o077)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}


def test_a_gateway_starts_with_the_token_that_was_made(tmp_path: Path) -> None:
    subprocess.run([MAKE_SECRETS, tmp_path / "secrets"], check=True)

    assert BearerToken.from_file(tmp_path / "secrets" / "skit-token").value == "none-yet"


def test_no_secret_gets_into_the_repository_or_the_environment() -> None:
    files = [secret["file"] for secret in model(KEYS)["secrets"].values()]
    files += [secret["file"] for secret in model()["secrets"].values()]
    ignored = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, check=False)

    assert ignored.returncode == 0
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD|KEY", name):
                assert value.startswith("/run/secrets/")


def test_every_secret_is_where_its_reader_looks() -> None:
    for name, service in services().items():
        told = service.get("environment", {}).values()
        read = {value for value in told if value.startswith("/run/secrets/")}
        assert {secret["target"] for secret in service.get("secrets", [])} == read, name


def test_keys_are_for_every_gateway() -> None:
    keyed = read(KEYS)["services"]

    assert set(keyed) == {name for name in services() if name.startswith("gateway")}
    for service in keyed.values():
        assert service["environment"] == {"GATEWAY_CLIENT_KEYS": "/run/secrets/client-keys"}
        assert service["secrets"] == ["client-keys"]


# --- HAProxy


async def test_haproxy_runs_with_what_the_file_tells_it() -> None:
    told = services()["haproxy"]["environment"]
    gateways = {server: told.get(f"GATEWAY_{server.upper()}", "") for server in SERVERS}

    async with haproxy(gateways) as running:
        servers = await running.states()

    assert set(servers) - {"BACKEND"} == {"one", "two"}


def test_haproxys_check_finds_no_fault() -> None:
    target = "/usr/local/etc/haproxy/haproxy.cfg"
    told = subprocess.run(
        ["haproxy", "-c", "-f", str(mounts("haproxy")[target])],
        env={"PATH": os.environ["PATH"], **services()["haproxy"]["environment"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "WARNING" not in told.stdout + told.stderr


# --- Prometheus


def test_promtool_finds_no_fault_where_the_files_are_mounted(tmp_path: Path) -> None:
    laid_out("prometheus", tmp_path)

    told = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "rules found" in told.stdout
    assert mounts("prometheus")["/etc/prometheus/rules.yml"] == RULES


def test_prometheus_asks_whom_the_shipped_file_asks() -> None:
    ours, shipped = read(mounts("prometheus")[PROMETHEUS]), read(SHIPPED_PROMETHEUS)

    assert ours.keys() == shipped.keys()
    assert ours["global"] == shipped["global"]
    jobs = [[job["job_name"] for job in one["scrape_configs"]] for one in (ours, shipped)]
    assert jobs[0] == jobs[1]


def test_prometheus_asks_every_gateway_and_haproxy_by_their_names() -> None:
    jobs = read(mounts("prometheus")[PROMETHEUS])["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    stats = services()["haproxy"]["environment"]["STATS"]

    assert targets["speech-gateway"] == ["gateway-one:8080", "gateway-two:8080"]
    assert targets["haproxy"] == [f"haproxy{stats}"]
    for target in (*targets["speech-gateway"], *targets["haproxy"]):
        assert "speech" in services()[target.partition(":")[0]]["networks"]


# --- Grafana


def test_grafana_asks_this_prometheus_at_its_pace() -> None:
    folder = mounts("grafana")[PROVISIONING]
    (source,) = read(folder / "datasources" / "prometheus.yml")["datasources"]
    paced = read(mounts("prometheus")[PROMETHEUS])["global"]["scrape_interval"]

    assert source["url"] == "http://prometheus:9090"
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert source["jsonData"]["timeInterval"] == paced
    assert list(services()["prometheus"]["networks"]) == list(services()["grafana"]["networks"])


def test_grafana_finds_the_dashboard() -> None:
    folder = mounts("grafana")[PROVISIONING]
    (provider,) = read(folder / "dashboards" / "speech-gateway.yml")["providers"]
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert mounts("grafana")[home] == DASHBOARD
    assert str(Path(home).parent) == provider["options"]["path"]
    assert {path.name for path in folder.iterdir()} == {"datasources", "dashboards"}


# --- StreamKit


def test_streamkit_listens_where_the_gateways_ask_and_counts_by_their_pipelines() -> None:
    config = tomllib.loads(mounts("streamkit")["/opt/streamkit/skit.toml"].read_text())
    services_told = [read(path)["attributes"]["service"] for path in PIPELINES.glob("?t[st].yml")]
    url = services()["gateway-one"]["environment"]["SKIT_URL"]

    assert url == "http://streamkit:" + config["server"]["address"].rpartition(":")[2]
    assert config["auth"]["mode"] == "enabled"
    counted = config["server"]["metrics"]["attributes"]["service"]["values"]
    assert sorted(counted) == sorted(services_told)
