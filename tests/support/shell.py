"""Commands of documents, as a shell runs them, at the addresses of a test."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shell:
    """Runs lines in a folder, each with some words replaced by others."""

    folder: Path
    replaced: Mapping[str, str]

    def line(self, text: str) -> str:
        for words, others in self.replaced.items():
            text = text.replace(words, others)
        return text

    async def told(self, text: str) -> str:
        """Return what a command prints; it must succeed."""
        process = await asyncio.create_subprocess_shell(
            self.line(text),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, self.line(text)
        return out.decode()
