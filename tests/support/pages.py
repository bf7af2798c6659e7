"""The pages of the documentation, their links and the commands on them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)  # its language, its text
INLINE = re.compile(r"`((?:envs/run|snakemake|pytest|python) [^`]+)`")


def pages() -> list[Path]:
    """Every page that a reader may open, but what the pipeline writes."""
    folders = (ROOT, ROOT / "docs", ROOT / "config", ROOT / ".github", ROOT / ".github/ISSUE_TEMPLATE")
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]


def links(page: Path) -> list[str]:
    """What a page links to, without its code blocks."""
    return LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[str]:
    """The commands of a page: a line of a block each, or code within a sentence."""
    text = page.read_text(encoding="utf-8")
    for block in (block for language, block in BLOCK.findall(text) if language in ("", "sh", "bash")):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+# .*", "", line).strip()
            if command and not command.startswith("#"):
                yield command
    yield from INLINE.findall(BLOCK.sub("", text))
