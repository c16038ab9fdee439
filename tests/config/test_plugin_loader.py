"""Plugins with options: in the config file as a mapping, elsewhere as a JSON object."""

import re
from pathlib import Path

import pytest
from aiohttp import web

from speech_gateway.config.plugin_loader import load_all
from speech_gateway.config.settings import load
from speech_gateway.plugins import REQUEST_ID, Handler, Step, exchange_of
from speech_gateway.startup_error import StartupError
from tests.support.backend import ScriptedBackend
from tests.support.gateway import serving

MODULE = "tests.config.test_plugin_loader"


class Greeting(Step):
    """A plugin that is given options, and uses what the public interface has."""

    def __init__(self, *, header: str = "X-Greeting", times: int = 1, words: object = None) -> None:
        self.options = {"header": header, "times": times, "words": words}
        self._header = header
        self._times = times

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        del handler
        exchange = exchange_of(request)
        if exchange is None:
            raise web.HTTPConflict(text=f"no exchange has {request[REQUEST_ID]}\n")
        exchange.client.key = "the plugin's"
        exchange.explain("the plugin wants it so")
        greeting = f"{exchange.endpoint.api} {exchange.endpoint.label} " * self._times
        raise web.HTTPConflict(text="none\n", headers={self._header: greeting.strip()})


def options_of(text: str) -> list[object]:
    return [named.plugin.options for named in load_all(text)]  # type: ignore[attr-defined]


DEFAULTS = {"header": "X-Greeting", "times": 1, "words": None}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"{MODULE}:Greeting", [DEFAULTS]),
        (f' {MODULE}:Greeting {{"times": 2}} ', [DEFAULTS | {"times": 2}]),
        (
            f'{MODULE}:Greeting {{"words": ["a,b", {{}}]}}, {MODULE}:Greeting,',
            [DEFAULTS | {"words": ["a,b", {}]}, DEFAULTS],
        ),
        ("", []),
        (" , ", []),
    ],
)
def test_plugins_are_separated_by_commas_and_may_have_options(
    text: str, options: list[object]
) -> None:
    assert options_of(text) == options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{MODULE}:Greeting {{", "has options that are no JSON object"),
        (f"{MODULE}:Greeting {{times: 2}}", "has options that are no JSON object"),
        (MODULE + ":Greeting " + '{"a":' * 100_000, "has options that are no JSON object"),
        (f"{MODULE}:Greeting {{}} {MODULE}:Greeting", "more than a comma and another plugin"),
        (f'{MODULE}:Greeting {{"colour": 1}}', "unexpected keyword argument 'colour'"),
        ('{"times": 2}', "not of the form package.module:factory"),
    ],
)
def test_what_is_no_plugin_with_options_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        load_all(text)


FILES = {
    "a mapping of plugins": f"plugin:\n  {MODULE}:Greeting:\n    times: 3\n    words: [1, on]\n",
    "a list of plugins": f"plugin:\n  - {MODULE}:Greeting:\n      times: 3\n      words: [1, on]\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_the_config_file_gives_options_as_a_mapping(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text(text)

    settings, _ = load(["--config", str(file)], {})

    assert [named.plugin.options for named in settings.plugins] == [  # type: ignore[attr-defined]
        {"header": "X-Greeting", "times": 3, "words": [1, True]}
    ]


@pytest.mark.parametrize(
    "options",
    [
        "[1]",
        "3",
        "{1: 2}",
        "{a: 1, a: 2}",
        "{a: {b: 1, b: 2}}",
        "{a: [{2: 3}]}",
        "{a: !!python/name:os.system ''}",
        "{a: 2001-99-99}",
        "{a: &a [*a]}",
    ],
)
def test_options_that_are_no_mapping_are_refused(tmp_path: Path, options: str) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text(f"plugin:\n  - {MODULE}:Greeting: {options}\n")

    with pytest.raises(StartupError) as caught:
        load(["--config", str(file)], {})

    assert caught.value.problems == (
        f"plugin (from the file {file}) must be a value or a list of them, "
        "each with a mapping of options",
    )


def test_other_settings_have_no_options(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text("listen:\n  - ':8080':\n      a: 1\n")

    with pytest.raises(StartupError, match=r"listen .* must be a value or a list of them$"):
        load(["--config", str(file)], {})


async def test_a_plugin_knows_of_the_exchange_what_the_interface_says(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    plugin = f'{MODULE}:Greeting {{"header": "X-Hello", "times": 2}}'

    async with serving(backend.url, "--plugin", plugin) as gateway:
        async with await gateway.connect() as client:
            client.request("POST", "/tts", body=b"Hello.")
            response = await client.response()
        async with await gateway.connect() as client:
            client.request("GET", "/healthz", {"X-Request-ID": "mine"})
            page = await client.response()
        await gateway.settled()

    assert (response.status, response.headers["x-hello"]) == (409, "plain tts plain tts")
    assert page.text == "no exchange has mine\n"
    (fields,) = [
        record.__dict__["fields"] for record in caplog.records if "fields" in record.__dict__
    ]
    assert (fields["key"], fields["why"]) == ("the plugin's", "the plugin wants it so")
