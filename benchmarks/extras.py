"""What each extra adds to a base installation: packages and megabytes on disk, from the metadata of installed packages.

python benchmarks/extras.py    # prints the figures of docs/install.md; needs an installation with [all,docs]
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
EXTRAS = ("audio", "clip", "crowd", "hub", "llm", "lora", "mlflow", "offline", "search", "docs", "check")
TORCH = ("torch", "triton", "cuda", "nvidia")
"""What torch consists of. On Linux its default build brings CUDA; its build for CPUs is far smaller."""
Found = Mapping[str, Distribution]


def installed(requirements: Iterable[str]) -> Found:
    """The installed packages that requirements need, and those that these need in turn, by canonical name."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(each), "") for each in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, wanted))
            found[name] = distribution(name)
            waiting += [(Requirement(each), wanted) for each in found[name].requires or ()]
    return found


def megabytes(packages: Iterable[Distribution]) -> int:
    """Of the packages' files."""
    paths = (Path(str(file.locate())) for package in packages for file in package.files or ())
    return round(sum(path.stat().st_size for path in paths if path.is_file()) / 1e6)


def row(name: str, packages: Found) -> dict[str, object]:
    """A line of the table."""
    torch = {each for each in packages if each.startswith(TORCH)}
    return {
        "extra": name,
        "packages": len(packages),
        "MB": megabytes(packages[each] for each in packages.keys() - torch),
        "MB of torch": megabytes(packages[each] for each in torch),
    }


def rows() -> Iterable[dict[str, object]]:
    """A base installation, and what each extra adds to it."""
    base = installed(PROJECT["dependencies"])
    yield row("none", base)
    for extra in EXTRAS:
        more = installed([*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]])
        yield row(extra, {name: package for name, package in more.items() if name not in base})


def main() -> int:
    try:
        print(json.dumps([*rows()], indent=1))
    except PackageNotFoundError as error:
        print(f"{error.name} is not installed: pip install '{PROJECT['name']}[all,docs]'", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
