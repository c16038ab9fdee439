"""The compose file keeps to its specification, and takes away what a service does not need."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from speech_gateway.config.options import OPTIONS
from tests.support.compose import (
    COMPOSE,
    KEYS,
    NAMES,
    checked,
    model,
    of_profile,
    seconds,
    services,
    settings,
    told_defaults,
    used_defaults,
    with_variable,
)
from tests.support.paths import ROOT

HOST = "127.0.0.1"
GATEWAYS = {"gateway", "gateway-one", "gateway-two"}
ONCE = {"streamkit-state"}
"""What ends once it has done its work."""
WRITING = {"streamkit"}
"""What could not be tried with a root file system that is read-only."""
CAPABILITIES = {"streamkit-state": ["CHOWN"]}
every_service = pytest.mark.parametrize("name", NAMES)


# --- the specification


@pytest.mark.parametrize("files", [(COMPOSE,), (COMPOSE, KEYS)], ids=["alone", "with keys"])
def test_the_specification_finds_no_fault(files: tuple[Path, ...]) -> None:
    told = checked(*files)

    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("key", ["pids_limit", "cap_drop", "ip_range", "condition"])
def test_a_key_that_is_misspelt_is_a_fault(tmp_path: Path, key: str) -> None:
    misspelt = tmp_path / "compose.yaml"
    misspelt.write_text(COMPOSE.read_text().replace(f"{key}:", f"{key}x:"))

    assert checked(misspelt).returncode != 0


def test_these_are_its_services() -> None:
    assert set(services()) == set(NAMES)


# --- what starts


def test_the_full_image_starts_alone_unless_asked_otherwise() -> None:
    assert settings()["COMPOSE_PROFILES"] == "alone"
    assert of_profile("alone") == {"gateway"}
    assert of_profile("stack") == set(NAMES) - {"gateway"}


def test_the_variables_are_told_with_their_defaults() -> None:
    assert used_defaults() == set(told_defaults().items())


@every_service
def test_who_is_waited_for_is_there(name: str) -> None:
    service = services()[name]

    for other, how in service.get("depends_on", {}).items():
        assert services()[other]["profiles"] == service["profiles"]
        told = how["condition"] == "service_completed_successfully"
        assert told == (other in ONCE)


@every_service
def test_it_comes_back_after_a_crash(name: str) -> None:
    assert services()[name]["restart"] == ("no" if name in ONCE else "unless-stopped")


@every_service
def test_its_image_has_a_version(name: str) -> None:
    if name in GATEWAYS:
        build = services()[name]["build"]
        assert services()[name]["image"] in {"speech-gateway:full", "speech-gateway:slim"}
        assert (ROOT / build["dockerfile"]).is_file()
        assert build["context"] == str(ROOT)
    else:
        assert re.search(r"^[a-z.]+/.+:v?\d+\.\d+\.\d+(-alpine)?$", services()[name]["image"])


# --- what is taken away


@every_service
def test_its_memory_processors_and_processes_are_bounded(name: str) -> None:
    service = services()[name]

    assert service["memswap_limit"] == service["mem_limit"]
    assert float(service["cpus"]) > 0
    assert service["pids_limit"] > 0
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@every_service
def test_it_can_gain_no_rights(name: str) -> None:
    service = services()[name]

    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == CAPABILITIES.get(name, [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert ("user" in service) == (name in ONCE)
    assert not {"privileged", "pid", "ipc", "devices"} & service.keys()


@every_service
def test_its_root_file_system_is_read_only(name: str) -> None:
    service = services()[name]

    assert service.get("read_only", False) == (name not in WRITING)
    for place in service.get("tmpfs", []):
        assert re.fullmatch(r"/tmp:size=\d+m", place)


# --- health, and the end


@every_service
def test_its_health_is_looked_at(name: str) -> None:
    health = services()[name]["healthcheck"]

    if name in ONCE:
        assert health == {"disable": True}
    else:
        assert health["test"][0] == "CMD"
        assert health.keys() == {"test", "interval", "timeout", "start_period", "retries"}


@pytest.mark.parametrize("name", sorted(GATEWAYS))
def test_a_gateways_health_check_is_the_images(name: str) -> None:
    health = services()[name]["healthcheck"]
    (flags, command) = re.findall(
        r"^HEALTHCHECK (.*) \\\n +CMD (.*)$", (ROOT / "Containerfile").read_text(), re.MULTILINE
    )[0]
    written = ", ".join(f'"{word}"' for word in health["test"][1:])

    assert f"[{written}]" == command
    assert dict(re.findall(r"--(\S+)=(\S+)", flags)) == {
        "interval": health["interval"],
        "timeout": health["timeout"],
        "start-period": health["start_period"],
        "retries": str(health["retries"]),
    }


@pytest.mark.parametrize("name", [*sorted(GATEWAYS), "haproxy"])
def test_what_is_under_way_gets_its_end(name: str) -> None:
    (drain,) = (int(o.default or "") for o in OPTIONS if o.name == "drain-timeout")

    assert seconds(services()[name]["stop_grace_period"]) >= drain + 10


# --- the networks


@every_service
def test_nobody_comes_in_from_elsewhere_unless_asked_to(name: str) -> None:
    ports = services()[name].get("ports", [])

    assert {port["host_ip"] for port in ports} <= {HOST}


@pytest.mark.parametrize(
    ("variable", "opened"),
    [
        ("BIND", {("gateway", 8080), ("haproxy", 8080)}),
        ("WYOMING_BIND", {("gateway", 10300)}),
    ],
)
def test_a_variable_lets_others_in_to_one_thing_and_to_nothing_else(
    tmp_path: Path, variable: str, opened: set[tuple[str, int]]
) -> None:
    read = with_variable(tmp_path, variable, "0.0.0.0")["services"]

    ports = [(name, port) for name in read for port in read[name].get("ports", [])]
    assert {(name, port["target"]) for name, port in ports if port["host_ip"] != HOST} == opened


def test_only_gateways_reach_streamkit_and_it_reaches_nobody() -> None:
    beside = {name for name in NAMES if "backend" in services()[name].get("networks", {})}

    assert beside == {"streamkit", "gateway-one", "gateway-two"}
    assert list(services()["streamkit"]["networks"]) == ["backend"]
    assert model()["networks"]["backend"]["internal"] is True
    assert "ports" not in services()["streamkit"]


@pytest.mark.parametrize("net", ["10.213.77", "172.16.5"])
def test_haproxy_knows_the_gateways_and_is_the_one_that_they_believe(
    tmp_path: Path, net: str
) -> None:
    read = with_variable(tmp_path, "STACK_NET", net)
    address = {
        name: service["networks"]["speech"]["ipv4_address"]
        for name, service in read["services"].items()
        if "ipv4_address" in (service.get("networks", {}).get("speech") or {})
    }
    told = read["services"]["haproxy"]["environment"]
    (pool,) = read["networks"]["speech"]["ipam"]["config"]

    assert told["GATEWAY_ONE"] == f"{address['gateway-one']}:8080"
    assert told["GATEWAY_TWO"] == f"{address['gateway-two']}:8080"
    for name in ("gateway-one", "gateway-two"):
        hops = read["services"][name]["environment"]["GATEWAY_TRUSTED_HOPS"]
        assert hops == address["haproxy"]
    assert pool["subnet"] == f"{net}.0/24"
    for fixed in map(ip_address, address.values()):
        assert fixed in ip_network(pool["subnet"])
        assert fixed not in ip_network(pool["ip_range"])
    assert len(set(address.values())) == 3


def test_wyoming_listens_where_the_port_leads() -> None:
    assert services()["gateway"]["environment"]["GATEWAY_WYOMING_LISTEN"] == "0.0.0.0:10300"
