"""What every page shares: templates whose values are escaped, and a policy that lets a browser load nothing."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelbench_ray.console.escaping import escaped

ASSETS: Final = Path(__file__).parent / "assets"


def templates(*folders: Path) -> Environment:
    """The templates of a page's own folders and of `ASSETS`, whose macros all pages use."""
    return Environment(
        loader=FileSystemLoader([*folders, ASSETS]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(sheets: list[str], scripts: list[str], *, images: bool = False) -> str:
    """What a browser may use of the page: our own styles and scripts by hash, and nothing from elsewhere.

    The hashes are of our files, not of the page: whatever a name might smuggle into the page is not among them.

    Args:
        sheets: styles.
        scripts: of JavaScript; none are run where there are none.
        images: whether the page holds images, as data URIs.
    """

    def hashes(texts: list[str]) -> str:
        return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)

    sources = [f"style-src {hashes(sheets)}"]
    sources += [f"script-src {hashes(scripts)}"] * bool(scripts)
    sources += ["img-src data:"] * images
    return "; ".join(["default-src 'none'", *sources, "base-uri 'none'", "form-action 'none'"])


def _shown(value: object) -> object:
    """A name as text; drawings are made of such names already."""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value
