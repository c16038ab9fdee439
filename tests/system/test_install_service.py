"""``speech-gateway install-service`` and ``check-service``: what they write and refuse."""

import subprocess
import sys
from pathlib import Path

import pytest

from speech_gateway.service_files import edited_file, install_command, interpreter
from speech_gateway.service_files.check_unit import check_unit
from speech_gateway.service_files.service_tree import FILES, ServiceTree
from speech_gateway.startup_error import StartupError
from tests.support.paths import ROOT

UNITS = Path("/etc/systemd/system")
ENGINE_UNIT = UNITS / "speech-gateway.service.d/bundled-engine.conf"


@pytest.fixture
def tree(tmp_path: Path) -> ServiceTree:
    return ServiceTree(
        root=tmp_path,
        prefix=Path("/opt/gateway"),
        config=Path("/etc/gateway"),
        units=UNITS,
        share=Path("/opt/gateway/share"),
    )


def files(tree: ServiceTree) -> dict[str, Path]:
    return {
        str(path)[len(str(tree.root)) :]: path for path in tree.root.rglob("*") if path.is_file()
    }


def test_all_that_the_repository_has_for_operators_is_written(tree: ServiceTree) -> None:
    tree.install(engine=True)

    names = {path.name for path in files(tree).values()}
    shipped = [p.name for at in ("config", "systemd") for p in (ROOT / at).rglob("*")]
    assert names == {name for name in shipped if "." in name or "-" in name}


def test_the_units_name_where_things_are(tree: ServiceTree) -> None:
    tree.install(engine=False)

    unit = files(tree)[f"{UNITS}/speech-gateway.service"].read_text()
    assert "@" not in "".join(line for line in unit.splitlines() if not line.startswith("System"))
    assert "ExecStart=/opt/gateway/bin/speech-gateway\n" in unit
    assert "GATEWAY_CONFIG=/etc/gateway/speech-gateway.conf\n" in unit
    assert files(tree)["/opt/gateway/libexec/pause-after-failure"].stat().st_mode & 0o777 == 0o755


def test_memory_is_executable_only_where_the_engine_is(tree: ServiceTree) -> None:
    tree.install(engine=True)
    assert str(ENGINE_UNIT) in files(tree)

    tree.install(engine=False)
    assert str(ENGINE_UNIT) not in files(tree)


def test_an_uninstall_leaves_the_settings_and_what_others_put_there(tree: ServiceTree) -> None:
    tree.install(engine=True)
    own = tree.root / "etc/systemd/system/speech-gateway.service.d/own.conf"
    own.write_text("[Service]\n")

    tree.uninstall()

    assert set(files(tree)) == {
        "/etc/gateway/speech-gateway.conf",
        "/etc/systemd/system/speech-gateway.service.d/own.conf",
    }


def test_a_configuration_that_nobody_edited_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "some.conf"
    edited_file.lay(b"old", place)

    assert edited_file.lay(b"new", place) == ""
    assert place.read_bytes() == b"new"


def test_an_edited_configuration_is_kept_and_the_new_one_laid_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "some.conf"
    edited_file.lay(b"old", place)
    place.write_bytes(b"edited")

    unchanged = edited_file.lay(b"old", place)
    changed = edited_file.lay(b"new", place)

    assert unchanged == f"Kept {place} as you have edited it.\n"
    assert changed.endswith(f"new settings are in {place}.new.\n")
    assert place.read_bytes() == b"edited"
    assert place.with_name("some.conf.new").read_bytes() == b"new"


def test_a_gateway_that_the_sandbox_hides_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "HIDDEN", ("/nowhere", sys.prefix))

    with pytest.raises(StartupError, match=r"would not start: .* hides"):
        install_command.main(["--root", str(tmp_path)])

    assert list(tmp_path.iterdir()) == []


def test_one_that_is_run_from_a_hidden_clone_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "problem", lambda *_: "")
    monkeypatch.setattr(interpreter, "place_problem", lambda path, _: path * (path != sys.prefix))

    with pytest.raises(StartupError, match=str(FILES.parent)):
        install_command.main(["--root", str(tmp_path)])


def test_a_place_where_nothing_can_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for judged in ("problem", "place_problem"):
        monkeypatch.setattr(interpreter, judged, lambda *_: "")

    with pytest.raises(StartupError, match=r"/proc/nowhere\S* cannot be written"):
        install_command.main(["--root", "/proc/nowhere"])


def test_a_part_that_is_missing_is_no_reason_to_start_again() -> None:
    code = "import sys; sys.modules['uvloop'] = None; from speech_gateway import entry_point; "
    run = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(entry_point.main())"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert run.stderr.startswith("speech-gateway: not installed whole: ")
    assert run.stderr.count("\n") == 1


def test_the_check_has_the_services_user_sandbox_and_flags_and_no_more() -> None:
    told = check_unit("""\
# /etc/systemd/system/speech-gateway.service
[Unit]
Requires=speech-gateway.socket
[Service]
Type=notify
ExecStart=/opt/bin/speech-gateway
Environment=A=1 \\
# between
  B=2
User=speech-gateway
RuntimeDirectory=speech-gateway
Restart=on-failure
; no setting
# /etc/systemd/system/speech-gateway.service.d/own.conf
[Service]
ExecStart=
ExecStart=/opt/bin/speech-gateway --max-queue 3
SupplementaryGroups=voices
[Install]
WantedBy=multi-user.target
""")

    assert told.split("[Service]\n")[0].count("=") == 2
    assert told.split("speech-gateway-check.log\n")[-1].splitlines() == [
        "Environment=A=1    B=2",
        "User=speech-gateway",
        "SupplementaryGroups=voices",
        "ExecStart=/opt/bin/speech-gateway --max-queue 3 --check-config",
    ]
