"""normalise_image.py DIR: takes out of an image what its builder noted of the building machine.

DIR is what ``buildah push IMAGE dir:DIR`` writes of an image in the docker format. Its
configuration names the container it was made in, that one's host name, and the images in between,
which are others each time, and the builder's version. Without them, what is the same has the same
digest, whoever built it.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def normalised(config: dict[str, Any]) -> dict[str, Any]:
    """Return an image's configuration without what is another each time."""
    kept = {
        name: value
        for name, value in config.items()
        if name not in {"container", "container_config", "parent"}
    }
    labels = config["config"]["Labels"]
    labels.pop("io.buildah.version", None)
    kept["config"] = {**config["config"], "Hostname": "", "Labels": labels}
    kept["history"] = [
        {name: value for name, value in step.items() if name != "comment"}
        for step in config["history"]
    ]
    return kept


def main(folder: Path) -> None:
    """Replace the configuration, and have the manifest name the new one."""
    manifest_file = folder / "manifest.json"
    manifest = json.loads(manifest_file.read_bytes())
    old = folder / manifest["config"]["digest"].removeprefix("sha256:")
    config = json.dumps(normalised(json.loads(old.read_bytes())), sort_keys=True).encode()
    old.unlink()
    digest = hashlib.sha256(config).hexdigest()
    (folder / digest).write_bytes(config)
    manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(config)}
    manifest_file.write_text(json.dumps(manifest, sort_keys=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
