"""Run the benchmark: ``python -m tests.bench --rounds 3 --json bench.json``."""

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import uvloop

from tests.bench.conversions import conversions
from tests.bench.peers import LOAD_CORE, peers
from tests.bench.scenarios import SCENARIOS, Figures, warm_up

Results = dict[str, dict[str, Figures]]
"""By scenario, then by peer."""


async def bench(names: list[str], rounds: int) -> Results:
    """Return the medians of rounds, in which the peers take turns."""
    seen: dict[str, dict[str, list[Figures]]] = {name: {} for name in names}
    async with peers() as all_peers:
        for peer in all_peers:
            await warm_up(peer)
        for _ in range(rounds):
            for name in names:
                for peer in all_peers:
                    figures = await SCENARIOS[name](peer)
                    seen[name].setdefault(peer.name, []).append(figures)
                    print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {
        name: {peer: _medians(figures) for peer, figures in by_peer.items()}
        for name, by_peer in seen.items()
    }


def _medians(rounds: list[Figures]) -> Figures:
    return {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}


def table(results: Results) -> str:
    """Return the medians for people: the ratio is the gateway's to HAProxy's."""
    lines = [f"{'':36}{'gateway':>10}{'HAProxy':>10}{'alone':>10}{'ratio':>8}"]
    for scenario, by_peer in results.items():
        for figure, ours in by_peer["gateway"].items():
            theirs, alone = by_peer["haproxy"][figure], by_peer["alone"][figure]
            ratio = f"{ours / theirs:8.2f}" if theirs > 0 else f"{'-':>8}"
            label = f"{scenario}: {figure}"
            lines.append(f"{label:36}{ours:10.2f}{theirs:10.2f}{alone:10.2f}{ratio}")
    return "\n".join(lines)


def machine() -> dict[str, str]:
    haproxy = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": str(os.cpu_count()),
        "haproxy": haproxy.split()[2],
        "uvloop": version("uvloop"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    gc.disable()  # what it would cost is not the proxy's
    results = uvloop.run(bench(args.only, args.rounds))
    print(table(results))
    converted = uvloop.run(conversions())
    print("\n".join(f"conversions: {name:23}{value:10.2f}" for name, value in converted.items()))
    if args.json:
        written = {"machine": machine(), "medians": results, "conversions": converted}
        args.json.write_text(json.dumps(written, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
