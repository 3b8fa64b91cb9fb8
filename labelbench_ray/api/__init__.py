"""The Python API, and the steps of which the commands of the command line are made."""
