"""`python -m labelbench_ray`: the command line."""

from labelbench_ray import interruption


def main() -> None:
    """Run a command; signals are heard from here on, for importing the rest takes seconds."""
    with interruption.listening() as heard:
        try:
            from labelbench_ray.cli import main as run
        except KeyboardInterrupt:
            interruption.end_at_once(heard.status, heard.words)
        run()


if __name__ == "__main__":
    main()
