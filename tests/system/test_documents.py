"""The documents hold together: they parse, lead somewhere, and name what there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_gateway.api.openai.audio_formats import FORMATS
from speech_gateway.config.command_line import COMMANDS, CONFIG
from speech_gateway.config.options import OPTIONS
from speech_gateway.metrics import KNOWN_CODES
from tests.support.documents import (
    ALL,
    HTTP,
    METRICS,
    OPENAI,
    OPERATING,
    README,
    SETTINGS_LIST,
    Document,
)
from tests.support.gateway import Served
from tests.support.paths import DOCS, ROOT

MAX_README_LINES = 150
"""What is linked before it is written; to be taken out of here then."""

TRIED = {
    "README.rst": {
        "make images": "containers/test_documents.py::test_it_speaks_as_it_says",
        "-o fox.ogg": "system/test_readme.py::test_the_first_steps_do_what_they_say",
        "ffplay": "",  # there is nobody to listen; how long the file plays is looked at
        "@fox.ogg": "system/test_readme.py::test_the_first_steps_do_what_they_say",
        # from the pipe on: there is no microphone
        "curl -sNT": "system/test_readme.py"
        "::test_curl_prints_the_first_sentence_before_the_last_was_sent",
        "/metrics": "system/test_readme.py::test_the_first_steps_do_what_they_say",
        "--token-file": "system/test_readme.py::test_streamkit_is_pointed_at_as_it_says",
        "--stt-model": "system/test_readme.py::test_a_larger_model_is_named_as_it_says",
    },
    "docs/kubernetes.rst": {
        "kustomize build": "containers/test_kubernetes.py::test_manifests_are_built_as_it_says",
    },
    "docs/openai.rst": {
        "-o speech.mp3": "system/test_readme.py::test_openais_clients_are_served_as_it_says",
        "@speech.mp3": "system/test_readme.py::test_openais_clients_are_served_as_it_says",
    },
    "docs/realtime.rst": {
        "-o fox.pcm": "system/test_readme.py::test_live_speech_is_heard_as_it_says",
    },
    "docs/compose.rst": {
        "compose.yaml up": "containers/test_compose_drill.py"
        "::test_the_full_image_speaks_and_hears_through_its_ports",
        "-o fox.ogg": "containers/test_compose_drill.py"
        "::test_the_full_image_speaks_and_hears_through_its_ports",
        "@fox.ogg": "containers/test_compose_drill.py"
        "::test_the_full_image_speaks_and_hears_through_its_ports",
        "compose.keys.yaml": "containers/test_compose_drill.py"
        "::test_clients_need_a_key_where_keys_are_handed_out",
        "make-secrets": "containers/test_compose_drill.py"
        "::test_the_stack_speaks_hears_and_is_watched",
        # without Grafana, whose image is not to be had
        "stack up --detach": "containers/test_compose_drill.py"
        "::test_the_stack_speaks_hears_and_is_watched",
        "gateway-one": "containers/test_compose_drill.py"
        "::test_gateways_are_made_anew_and_no_client_notices",
        "gateway-two": "containers/test_compose_drill.py"
        "::test_gateways_are_made_anew_and_no_client_notices",
    },
    "docs/image.rst": dict.fromkeys(
        ("make images", "podman run"), "containers/test_documents.py::test_it_speaks_as_it_says"
    ),
    "docs/metrics.rst": {
        "promtool check": "system/test_alerts.py::test_the_check_that_is_documented_finds_no_fault",
        "promtool test": "system/test_alerts.py::test_the_tests_that_are_documented_are_these",
        "prometheus --config": "system/test_alerts.py::test_prometheus_runs_as_it_is_documented",
        "promtool query": "system/test_monitoring.py"
        "::test_every_expression_has_data_under_a_mixed_traffic",
    },
    "docs/tracing.rst": {
        "--plugin": "tracing/test_tracing_document.py::test_traces_are_switched_on_as_it_says",
        "traceparent": "tracing/test_tracing_document.py::test_traces_are_switched_on_as_it_says",
    },
    "docs/alerting.rst": {
        "run.stamp": "",  # as any test's environment was set up
        **dict.fromkeys(
            (
                "speech_gateway.embedded",
                "speech-gateway --skit-url",
                "prometheus --config",
                "hello.ogg",
                " up",
                "'ALERTS'",
                '"ALERTS"',
                "api/v1/alerts",
                "gateway_backend_problem",
                "/readyz",
            ),
            "system/test_alerting_document.py::test_an_alert_fires_and_clears_as_it_says",
        ),
    },
    "docs/runbooks.rst": dict.fromkeys(
        ("alertstate=", "/readyz", "gateway_backend_problem", 'code=~"5.."', ";csv"),
        "system/test_alert_drill.py::test_a_killed_backend_alerts_and_clears_soon_after_it_is_back",
    ),
    "docs/operating.rst": {
        "key=$(": "system/test_readme.py::test_a_key_made_as_it_says_lets_its_client_in",
        ">> keys": "system/test_readme.py::test_a_key_made_as_it_says_lets_its_client_in",
        "haproxy -c": "system/test_readme.py::test_haproxys_files_pass_the_checks_that_they_name",
        "speech_gateway.embedded": "system/test_readme.py::test_the_engine_runs_alone_as_it_says",
    },
    "docs/sizing.rst": {
        "haproxy -c": "system/test_readme.py::test_haproxys_files_pass_the_checks_that_they_name",
    },
    "CONTRIBUTING.rst": {
        "-m pytest": "system/test_contributing.py::test_one_test_is_run_as_it_says",
        "-m build": "system/test_wheel.py::test_the_wheel_serves_from_a_clean_environment",
    },
}
"""Which test runs a command: by document, and by a part of the command."""

documents = pytest.mark.parametrize("document", ALL, ids=str)


def test_the_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= MAX_README_LINES


@documents
def test_docutils_finds_no_fault(document: Document) -> None:
    assert document.warnings == ""


# --- where they lead


def _targets(document: Document) -> Iterator[tuple[str, Path, str]]:
    """Yield each local link, the file that it leads to, and the place in it."""
    for link in document.links():
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield link, (document.path.parent / path).resolve(), anchor


def test_every_local_link_leads_to_a_file() -> None:
    missing = {
        str(path.relative_to(ROOT))
        for document in ALL
        for _, path, _ in _targets(document)
        if not path.is_file()
    }

    assert missing == set()


@documents
def test_every_picture_is_there(document: Document) -> None:
    for picture in document.pictures():
        assert (document.path.parent / picture).is_file(), picture


@documents
def test_every_link_into_a_document_leads_to_a_place_in_it(document: Document) -> None:
    for link, path, anchor in _targets(document):
        assert not anchor or anchor in Document(path).anchors(), link


@documents
def test_every_file_that_is_named_is_there(document: Document) -> None:
    folders = r"(\.ci|config|docs|scripts|speech_gateway|systemd|tests)"
    named = [name for name in document.names() if re.fullmatch(rf"{folders}/[\w./-]*", name)]

    # docs/architecture.rst has modules' paths below the package, and tests by their names.
    named = [name for name in named if not re.fullmatch(r"[\w/]+/test_\w+", name)]
    places = ROOT, ROOT / "speech_gateway"
    assert [n for n in named if not any((place / n).exists() for place in places)] == []


@documents
def test_every_test_that_is_named_is_there(document: Document) -> None:
    named = [name for name in document.names() if re.fullmatch(r"(\w+/)*test_\w+", name)]

    assert [name for name in named if not [*ROOT.glob(f"tests/**/{name}.py")]] == []


@documents
def test_every_make_target_that_is_named_is_there(document: Document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [*document.names(), *document.blocks()]
    named = {name for text in texts for name in re.findall(r"(?:^|[\n#] *)make ([a-z-]+)", text)}

    assert named <= targets


@documents
def test_every_flag_that_is_named_is_there(document: Document) -> None:
    flags = {f"--{known.name}" for known in (*OPTIONS, *COMMANDS)} | {f"--{CONFIG}"}
    named = {name.partition(" ")[0] for name in document.names() if name.startswith("--")}

    assert named <= flags


def test_readme_and_index_lead_to_every_document() -> None:
    everything = {path for path in DOCS.iterdir() if path.suffix != ".png"} - {DOCS / "index.rst"}
    from_readme = {path for _, path, _ in _targets(README)}
    from_index = {path for _, path, _ in _targets(Document(DOCS / "index.rst"))}

    assert everything <= from_readme
    assert everything <= from_index


# --- every command is tried


@documents
def test_a_test_runs_every_command(document: Document) -> None:
    tried = TRIED.get(str(document), {})

    for command in document.commands():
        assert len([part for part in tried if part in command]) == 1, command
    for part in tried:
        assert document.command(part)


def test_every_test_that_runs_a_command_is_there() -> None:
    for test in {test for tried in TRIED.values() for test in tried.values() if test}:
        module, name = test.split("::")
        assert f"def {name}(" in (ROOT / "tests" / module).read_text(), test


@documents
def test_only_the_operators_page_has_commands_of_roots(document: Document) -> None:
    # test_systemd runs these
    assert document == OPERATING or document.commands(prompt="#") == []


# --- tables


def test_the_commands_are_those_that_there_are() -> None:
    told = [row[0].partition(" ")[0] for row in SETTINGS_LIST.table("Command")]

    assert told == [f"--{command.name}" for command in COMMANDS]


def test_the_settings_are_those_that_there_are() -> None:
    rows = SETTINGS_LIST.table("Flag")

    assert [row[:2] for row in rows] == [(f"--{o.name}", o.environment) for o in OPTIONS]
    for option, (flag, _, told) in zip(OPTIONS, rows, strict=True):
        assert told.startswith(option.default or ("none", "the packaged")), flag


async def test_the_metrics_are_those_of_the_page(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.request("GET", "/metrics")
        page = (await client.response()).text
    there = re.findall(r"^# TYPE (gateway_\w+) (\w+)$", page, re.MULTILINE)

    assert sorted(row[:2] for row in METRICS.table("Metric")) == sorted(there)


async def test_the_metrics_that_carry_the_endpoint_stand_first(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.request("GET", "/metrics")
        page = (await client.response()).text

    carry = []
    for name, *_ in METRICS.table("Metric"):
        samples = re.findall(rf"^{name}(?:_bucket|_sum|_count)?(?:\{{| ).*$", page, re.MULTILINE)
        assert len({'endpoint="' in sample for sample in samples}) == 1, name
        carry.append('endpoint="' in samples[0])
    assert carry == sorted(carry, reverse=True)


def test_the_errors_are_those_that_are_counted() -> None:
    only_some_settings = {401, 429}
    never_sent = {200, 499}
    told = {int(status) for status, _ in HTTP.table("Status")}

    assert told == {*KNOWN_CODES, 405, *only_some_settings} - never_sent


async def test_the_routes_are_those_of_the_gateway(gateway: Served) -> None:
    told = {route: set(methods.split(", ")) for route, methods, *_ in HTTP.table("Route")}

    allowed = {}
    for route in told:
        async with await gateway.connect() as client:
            client.request("PATCH", route, body=b"x")
            response = await client.response()
            assert response.status == 405, route
            allowed[route] = set(response.headers["allow"].replace(" ", "").split(","))
    assert told == allowed
    assert set(told) == {
        resource.canonical
        for resource in gateway.gateway.app.router.resources()
        if resource.canonical != "/{path}"
    }


def test_the_formats_of_speech_are_those_that_there_are() -> None:
    told = {name: content_type for name, content_type, *_ in OPENAI.table("Format")}

    assert told == {name: format_.content_type for name, format_ in FORMATS.items()}
