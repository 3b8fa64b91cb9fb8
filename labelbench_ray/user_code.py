"""What an exception in a user's own code looks like: its text, and those of its frames that the user wrote.

Ours and those of libraries say nothing to a person who looks for a mistake in their experiment or plug-in.
"""

import os
import sysconfig
import traceback
from pathlib import Path

PACKAGE = str(Path(__file__).parent)
LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of the user's files, called from ours, that an exception passed through; the outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = next((place for place, frame in enumerate(frames) if _below(frame.filename, (PACKAGE,))), len(frames))
    return [frame for frame in frames[ours:] if not _below(frame.filename, ("<", PACKAGE, *LIBRARIES))]


def raised(error: BaseException) -> str:
    """Class and text of an exception, then the user's frames, where it passed through any."""
    text = "".join(traceback.format_exception_only(error)).strip()
    return "\n".join([text, *traceback.format_list(user_frames(error))]).rstrip()


def place(error: BaseException) -> str:
    """Where in the user's files it was raised, to begin a line with; empty where it was not raised there."""
    frames = user_frames(error)
    return f"{_shortest(frames[-1].filename)}, line {frames[-1].lineno}: " if frames else ""


def _below(file: str, folders: tuple[str, ...]) -> bool:
    return any(file.startswith(folder if folder == "<" else folder + os.sep) for folder in folders)


def _shortest(file: str) -> str:
    return min(file, os.path.relpath(file), key=len)
