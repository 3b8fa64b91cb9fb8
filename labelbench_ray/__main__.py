"""`python -m labelbench_ray`: the command line."""

import atexit
import gc
import sys

from labelbench_ray.console import interruption, standard_streams


def main() -> None:
    """Run a command. Signals are handled from here on, and a first word is shown: importing the rest takes seconds."""
    atexit.register(gc.freeze)  # Python would look through every object again and again: a second, after MLflow and Ray
    standard_streams.open_streams()
    with interruption.handling_signals() as interrupted:
        try:
            with standard_streams.passing_line(first_word(sys.argv[1:])):
                from labelbench_ray.commands.cli import main as run
        except KeyboardInterrupt:
            interruption.end_at_once(interrupted.status, interrupted.words)
        run()


def first_word(words: list[str]) -> str:
    """What a command line does first; empty where its answer follows at once."""
    if {"-h", "--help", "--version"} & {*words}:
        return ""
    first = {"plan": "checking", "embed": "checking", "run": "checking", "finetune": "checking", "check": "reading"}
    return (first | {"report": "reading", "status": "reading", "sync": "reading"}).get(words[0] if words else "", "")


if __name__ == "__main__":
    main()
