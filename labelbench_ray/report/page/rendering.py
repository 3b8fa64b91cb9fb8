"""Self-contained HTML pages: a template with our styles and scripts inline, and the values that scripts read."""

import json
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from labelbench_ray.report.page.document import ASSETS, policy, templates

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
    sheets, scripts = ([(ASSETS / name).read_text("utf-8") for name in names] for names in (STYLES, SCRIPTS))
    found = templates(folder).get_template(template)
    return found.render(
        policy=policy(sheets, scripts),
        sheets=[Markup(sheet) for sheet in sheets],
        scripts=[Markup(script) for script in scripts],
        data=_json(data),
        licence=Markup(f"<!-- uPlot:\n{(ASSETS / 'uPlot.LICENSE').read_text('utf-8')}-->"),
        **values,
    )


def _json(data: object) -> Markup:
    """Values as JSON for the script, which no name can end: `<` is escaped."""
    return Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
