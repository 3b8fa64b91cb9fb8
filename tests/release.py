"""Whether this tree can be released under a tag: what is stated in several places agrees, and nothing is left open.

python -m tests.release v1.2.3    # prints what is missing; exit status 1 if anything is
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from labelbench_ray.storage.versions import __version__
from tests import schemas

ROOT = Path(__file__).parent.parent


def missing(tag: str, root: Path = ROOT, folder: Path = schemas.FOLDER) -> Iterator[str]:
    """What stands against a release, with the fix."""
    if tag != f"v{__version__}":
        yield f"the tag {tag} is not v{__version__}, the version in storage/versions.py: change one of them"
    if not re.search(
        rf"^## {re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)$", (root / "CHANGELOG.md").read_text(), re.M
    ):
        yield f"CHANGELOG.md has no heading with a date, '## {__version__} (YYYY-MM-DD)': write the date of the release"
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    if "Repository" not in project["urls"]:
        yield 'pyproject.toml has no address of the repository: add Repository = "https://..." to [project.urls]'
    newest = {f"{name}-{schemas.newest(name, folder)}.json" for name in schemas.MODELS}
    if not newest <= schemas.released(folder).keys():
        yield "schemas are not frozen: run `python -m tests.schemas --release` and commit RELEASED"


def main() -> int:
    found = list(missing(sys.argv[1]))
    print("\n".join(found) or "nothing is missing")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
