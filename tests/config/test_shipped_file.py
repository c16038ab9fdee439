"""config/speech-gateway.conf cannot drift from the settings that there are."""

import re
from pathlib import Path

from scripts.write_config import CONFIG, render
from speech_gateway.config import settings
from speech_gateway.config.options import OPTIONS
from speech_gateway.pipelines.voices import PACKAGED


def test_the_file_is_what_the_settings_definitions_make_of_it() -> None:
    assert CONFIG.read_text() == render(), "run: make config"
    assert re.findall(r"^#([a-z-]+): ", render(), re.MULTILINE) == [o.name for o in OPTIONS]


def test_the_voices_are_the_packaged_ones() -> None:
    assert CONFIG.with_name("voices.yml").read_text() == PACKAGED.read_text()


def test_as_it_stands_it_changes_nothing() -> None:
    loaded, _ = settings.load(["--config", str(CONFIG)], {})

    assert loaded == settings.load([], {})[0]


def test_its_defaults_may_be_uncommented(tmp_path: Path) -> None:
    entries = CONFIG.read_text().split("\n\n")[1:]
    uncommented = [
        entry.replace("\n#", "\n") for entry in entries if "none by default" not in entry
    ]
    (tmp_path / "own.conf").write_text("\n".join(uncommented))

    loaded, _ = settings.load(["--config", str(tmp_path / "own.conf")], {})

    assert "listen: " in uncommented[0]
    assert loaded == settings.load([], {})[0]
