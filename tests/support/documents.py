"""The project's documents, as docutils parses them: commands, tables, links, and what they name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TypeVar

from docutils import nodes
from docutils.core import publish_doctree

from .paths import DOCS, ROOT

SETTINGS = {
    "report_level": 2,  # warnings
    "syntax_highlight": "none",
    "file_insertion_enabled": False,
    "_disable_config": True,
}

Row = tuple[str, ...]
Kind = TypeVar("Kind", bound=nodes.Node)


@dataclass(frozen=True, order=True)
class Document:
    """One document, by its path."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def warnings(self) -> str:
        """What docutils finds wrong with it."""
        return _parsed(self.path)[1]

    def commands(self, prompt: str = "$") -> list[str]:
        """Return the shell commands, a line each, continued lines joined."""
        return [
            line.removeprefix(f"{prompt} ")
            for block in self.code("console")
            for line in block.replace("\\\n", "").splitlines()
            if line.startswith(f"{prompt} ")
        ]

    def command(self, with_: str) -> str:
        (found,) = [line for line in self.commands() if with_ in line]
        return found

    def code(self, language: str) -> list[str]:
        """Return the code blocks of a language."""
        return [
            block.astext()
            for block in self._all(nodes.literal_block)
            if language in block["classes"]
        ]

    def table(self, heading: str) -> list[Row]:
        """Return the rows, without their head, of the table whose first column has the heading."""
        (found,) = [rows for rows in self._tables() if rows[0][0] == heading]
        return found[1:]

    def links(self) -> set[str]:
        """Return where its links lead."""
        return {link["refuri"] for link in self._all(nodes.reference) if "refuri" in link}

    def pictures(self) -> set[str]:
        """Return where its pictures are."""
        return {picture["uri"] for picture in self._all(nodes.image)}

    def anchors(self) -> set[str]:
        """Return what a link may name behind a ``#``."""
        return set(_parsed(self.path)[0].ids)

    def names(self) -> set[str]:
        """Return what stands in double backquotes."""
        return {literal.astext() for literal in self._all(nodes.literal)}

    def blocks(self) -> list[str]:
        """Return all literal blocks."""
        return [block.astext() for block in self._all(nodes.literal_block)]

    def _tables(self) -> Iterator[list[Row]]:
        for table in self._all(nodes.table):
            yield [
                tuple(" ".join(entry.astext().split()) for entry in row.findall(nodes.entry))
                for row in table.findall(nodes.row)
            ]

    def _all(self, kind: type[Kind]) -> Iterator[Kind]:
        return _parsed(self.path)[0].findall(kind)


@cache
def _parsed(path: Path) -> tuple[nodes.document, str]:
    told = StringIO()
    tree = publish_doctree(
        path.read_text(),
        source_path=str(path),
        settings_overrides={**SETTINGS, "warning_stream": told},
    )
    return tree, told.getvalue()


README = Document(ROOT / "README.rst")
ALERTING = Document(DOCS / "alerting.rst")
CONTRIBUTING = Document(ROOT / "CONTRIBUTING.rst")
HTTP = Document(DOCS / "http.rst")
IMAGE = Document(DOCS / "image.rst")
KUBERNETES = Document(DOCS / "kubernetes.rst")
METRICS = Document(DOCS / "metrics.rst")
OPENAI = Document(DOCS / "openai.rst")
REALTIME = Document(DOCS / "realtime.rst")
COMPOSE = Document(DOCS / "compose.rst")
OPERATING = Document(DOCS / "operating.rst")
PLUGINS = Document(DOCS / "plugins.rst")
RUNBOOKS = Document(DOCS / "runbooks.rst")
SECURITY = Document(DOCS / "security.rst")
SETTINGS_LIST = Document(DOCS / "settings.rst")
SIZING = Document(DOCS / "sizing.rst")
TRACING = Document(DOCS / "tracing.rst")
ALL = sorted(map(Document, [*ROOT.glob("*.rst"), *DOCS.glob("*.rst")]))
