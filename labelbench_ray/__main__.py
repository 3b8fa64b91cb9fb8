"""`python -m labelbench_ray`: the command line."""

from labelbench_ray.cli import main

main()
