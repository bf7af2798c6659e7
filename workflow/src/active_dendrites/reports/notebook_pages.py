"""Executed notebooks as pages that a browser shows, without a server and without any request."""

from pathlib import Path

from nbconvert import HTMLExporter

from active_dendrites.runs.files import atomic_file


def write_notebook_pages(folder: Path) -> list[Path]:
    """An HTML page beside each notebook of a folder; one that is newer than its notebook stays as it is."""
    # With its own addresses, it would load RequireJS, MathJax and Mermaid from elsewhere, which no notebook here needs.
    exporter = HTMLExporter(embed_images=True, require_js_url="", mathjax_url="", mermaid_js_url="", jquery_url="")  # type: ignore[no-untyped-call]  # of traitlets
    pages = []
    for notebook in sorted(folder.glob("*.ipynb")):
        page = notebook.with_suffix(".html")
        if not page.exists() or page.stat().st_mtime_ns < notebook.stat().st_mtime_ns:
            body, _ = exporter.from_filename(str(notebook))
            with atomic_file(page) as file:
                file.write(body)
        pages.append(page)
    return pages
