"""Sphinx builds these pages: `make docs`.

Reference pages are generated from the code at build time, into `docs/generated/`; see `docs/reference.py`.
"""

import re
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

DOCS = Path(__file__).parent
for folder in (DOCS.parent, DOCS, DOCS.parent / "benchmarks"):
    sys.path.insert(0, str(folder))

import reference  # noqa: E402  found in the folders above

from labelbench_ray.storage.versions import __version__  # noqa: E402

project = "labelbench_ray"
author = "The labelbench_ray authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "generated/public.md"]
nitpicky = False
suppress_warnings = ["myst.strikethrough"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_typehints = "none"  # shapes and meanings stand in the docstrings
default_role = "literal"  # docstrings mark code with single backticks
smartquotes = False
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}

html_theme = "furo"
html_title = "labelbench_ray"
html_static_path = ["_static"]
html_css_files = ["labelbench.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

PAGES_OF_THE_ROOT: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files that people read at the root of the repository, and the page that shows each here."""
LINK = re.compile(r"\]\((?:\.\./)(" + "|".join(map(re.escape, PAGES_OF_THE_ROOT)) + r")")


def link_to_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Let links to files of the root lead to their pages."""
    source[0] = LINK.sub(lambda found: f"]({PAGES_OF_THE_ROOT[found[1]]}", source[0])


def without_fields(app: Sphinx, what: str, name: str, value: object, *rest: object) -> tuple[str, str] | None:
    """No signature for values with many fields: their tables have them."""
    return ("", "") if isinstance(value, type) and issubclass(value, BaseModel) else None


def read_sections(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Read `Args:` and the like. An attribute has none: in its text a colon means nothing."""
    if what not in ("attribute", "property", "data"):
        prose = [escaped(line) for line in lines]
        lines[:] = GoogleDocstring(prose, Config(), app, what, name, value, options).lines()


def escaped(line: str) -> str:
    """A docstring's line for reStructuredText, in which stars and final underscores are markup."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"(\*|_\b)", r"\\\1", part) for part in parts)


def setup(app: Sphinx) -> None:
    """Generate the reference before pages are looked for."""
    reference.write(DOCS / "generated")
    app.connect("source-read", link_to_pages)
    app.connect("autodoc-process-docstring", read_sections)
    app.connect("autodoc-process-signature", without_fields)
