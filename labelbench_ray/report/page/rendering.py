"""Self-contained HTML pages: a template with our styles and scripts inline, and the values that scripts read."""

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelbench_ray.console.escaping import escaped

ASSETS: Final = Path(__file__).parent / "assets"
STYLES: Final = ("uPlot.min.css", "style.css")
SCRIPTS: Final = ("uPlot.iife.min.js", "script.js")


def rendered(template: str, data: object, folder: Path = ASSETS, **values: Any) -> str:  # noqa: ANN401
    """The page of a template; names in it are escaped.

    Args:
        template: a file in `folder`, which may include those of the report.
        data: what the script reads, as JSON.
        folder: where the template lies.
        **values: what the template shows.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, ASSETS]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheets, scripts = ([(ASSETS / name).read_text("utf-8") for name in names] for names in (STYLES, SCRIPTS))
    return environment.get_template(template).render(
        policy=_policy(sheets, scripts),
        sheets=[Markup(sheet) for sheet in sheets],
        scripts=[Markup(script) for script in scripts],
        data=_json(data),
        licence=Markup(f"<!-- uPlot:\n{(ASSETS / 'uPlot.LICENSE').read_text('utf-8')}-->"),
        **values,
    )


def _shown(value: object) -> object:
    """A name as text; drawings are made of such names already."""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(sheets: list[str], scripts: list[str]) -> str:
    """What a browser may use of the page: our own styles and scripts by hash, and nothing from elsewhere.

    The hashes are of our files, not of the page: whatever a name might smuggle into the page is not among them.
    """

    def hashes(texts: list[str]) -> str:
        return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)

    sources = [f"style-src {hashes(sheets)}", f"script-src {hashes(scripts)}"]
    return "; ".join(["default-src 'none'", *sources, "base-uri 'none'", "form-action 'none'"])


def _json(data: object) -> Markup:
    """Values as JSON for the script, which no name can end: `<` is escaped."""
    return Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
