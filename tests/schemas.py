"""The JSON Schemas of the files that trials and stores leave: `labelbench_ray/schemas/<file>-<version>.json`.

python -m tests.schemas             # states which schema differs from its model
python -m tests.schemas --update    # writes schemas that differ: in place, or as the next version of a released one
python -m tests.schemas --release   # part of a release: adds the newest schemas to RELEASED, which freezes them

They are generated from the pydantic models that read the files. A schema that a release has published never changes:
`RELEASED` holds its hash.
"""

import argparse
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from labelbench_ray.embeddings.manifests import Manifest, ViewManifest
from labelbench_ray.ledger.records import Header, RoundRecord
from labelbench_ray.plugins import Frozen

FOLDER: Final = Path(__file__).parent.parent / "labelbench_ray" / "schemas"
RELEASED: Final = "RELEASED"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MODELS: Final[Mapping[str, type[Frozen]]] = {
    "trial": Header,
    "round": RoundRecord,
    "manifest": Manifest,
    "view": ViewManifest,
}
FILES: Final[Mapping[str, str]] = {
    "trial": "trial.json: what a trial is, and what its numbers were computed from",
    "round": "rounds/NNN.json: one finished round of a trial, with the checksum of its content",
    "manifest": "manifest.json: the embeddings of a store, written last",
    "view": "manifest.json of one augmented view of a store's pool",
}
CHECKSUM: Final = {
    "type": "string",
    "pattern": "^[0-9a-f]{16}$",
    "description": "16 digits of SHA-256 over the other fields as JSON with sorted keys and no spaces.",
}


def generated(name: str, version: int) -> dict[str, Any]:
    """The schema of a file as this version reads it; without docstrings, so that their wording needs no new version."""
    schema = _without_descriptions(MODELS[name].model_json_schema())
    if name == "round":
        schema["properties"]["checksum"] = CHECKSUM
        schema["required"] = [*schema["required"], "checksum"]
    head = {"$schema": DIALECT, "$id": f"urn:labelbench-ray:{name}-{version}", "description": FILES[name]}
    return head | schema


def _without_descriptions(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_descriptions(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    described = isinstance(schema.get("description"), str)
    return {key: _without_descriptions(value) for key, value in schema.items() if key != "description" or not described}


def text_of(schema: Mapping[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def newest(name: str, folder: Path = FOLDER) -> int:
    """The highest version of a file's schema; 0 without one."""
    return max((int(path.stem.rpartition("-")[2]) for path in folder.glob(f"{name}-*.json")), default=0)


def released(folder: Path = FOLDER) -> dict[str, str]:
    """The SHA-256 of every schema that a release has published, by file name."""
    path = folder / RELEASED
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return {name: digest for digest, name in (line.split() for line in lines)}


def differing(folder: Path = FOLDER) -> list[str]:
    """The files whose newest schema is not what their model gives."""
    return [
        name
        for name in MODELS
        if not (path := folder / f"{name}-{newest(name, folder)}.json").exists()
        or path.read_text("utf-8") != text_of(generated(name, newest(name, folder)))
    ]


def update(folder: Path = FOLDER) -> list[Path]:
    """Write the schemas that differ, each under a version that no release has published."""
    written = []
    for name in differing(folder):
        version = max(newest(name, folder), 1)
        if f"{name}-{version}.json" in released(folder):
            version += 1
        written.append(folder / f"{name}-{version}.json")
        written[-1].write_text(text_of(generated(name, version)), "utf-8")
    return written


def release(folder: Path = FOLDER) -> None:
    """Freeze the newest schemas."""
    assert not differing(folder), f"update first: {differing(folder)}"
    paths = [folder / f"{name}-{newest(name, folder)}.json" for name in MODELS]
    sums = released(folder) | {path.name: sha256(path.read_bytes()).hexdigest() for path in paths}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    (folder / RELEASED).write_text("".join(lines), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--release", action="store_true")
    options = parser.parse_args()
    for path in update() if options.update else ():
        print(f"wrote {path.name}")
    if options.release:
        release()
    print(f"schemas that differ from their models: {', '.join(differing()) or 'none'}")


if __name__ == "__main__":
    main()
