"""All benchmarks in turn, each a process of its own; prints one JSON array: `make bench`.

.venv/bin/python benchmarks/all.py [--data-root DIR] [--store STORE] [--only NAME ...]

Embeddings and ledgers are shared between the benchmarks that take them, in folders deleted at the end unless given.
Exit status 1 when one did not end well; a target that is missed is in the JSON only.
"""

import json
import subprocess
import sys
from pathlib import Path

from command import places
from machine import parser

NAMES = (
    *(
        "first_words",
        "startup",
        "round",
        "evaluation_splits",
        "engines",
        "decode",
        "embed",
        "embed_tiny",
        "embed_memory",
        "views",
        "quickstart",
        "no_file",
        "banking77",
        "study",
        "memory",
        "select",
        "report",
        "mirror",
        "precomputed",
        "answers",
        "annotate",
    ),
    *(
        "flexmatch",
        "trainers",
        "finetune",
        "continual",
        "multitask",
        "rare_classes",
        "consensus",
        "audit",
        "stopping",
        "overhead",
        "results",
        "registry",
        "hundred_million",
        "slowest",
        "gpu",
    ),
)


def main() -> int:
    """Run them and print what they say."""
    options = parser(__doc__)
    options.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    arguments = options.parse_args()
    answers = []
    with places(arguments.data_root, arguments.runs, arguments.store) as where:
        folders = [f"--data-root={where.data_root}", f"--runs={where.runs}", f"--store={where.store}"]
        for name in arguments.only:
            print(f"benchmark: {name}", file=sys.stderr)
            script = Path(__file__).with_name(f"{name}.py")
            done = subprocess.run([sys.executable, str(script), *folders], stdout=subprocess.PIPE, check=False)
            failed = {"benchmark": name, "failed": f"exit status {done.returncode}; what it said is above"}
            answers.append(failed if done.returncode else json.loads(done.stdout))
    print(json.dumps(answers, indent=1))
    return int(any("failed" in answer for answer in answers))


if __name__ == "__main__":
    sys.exit(main())
