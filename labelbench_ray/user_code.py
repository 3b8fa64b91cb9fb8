"""What an exception in a user's own code looks like: its text, and those of its frames that the user wrote.

Frames of this package and of libraries do not help a person who looks for a mistake in their experiment or plug-in.
"""

import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelbench_ray.errors import PluginError, UserError

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


def in_a_line(error: BaseException) -> str:
    """Where in the user's files it was raised, if it was, then class and text: for a trial that others outlive."""
    return str(error) if isinstance(error, PluginError) else f"{place(error)}{type(error).__name__}: {error}"


def portable(error: Exception) -> Exception:
    """The error as it survives the way to another process: what the user's code raised becomes its text and place."""
    return error if isinstance(error, UserError) or not user_frames(error) else PluginError(in_a_line(error))


@contextmanager
def stated(what: str) -> Iterator[None]:
    """Turn what the user's code raises into a `PluginError`: what was being done, the error, the user's frames.

    Errors whose traceback lies in a worker would reach the driver with Ray's frames and ours, and without the user's.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not user_frames(error):
            raise
        raise PluginError(f"{what}: {raised(error)}") from error


def place(error: BaseException) -> str:
    """Where in the user's files it was raised, to begin a line with; empty where it was not raised there."""
    frames = user_frames(error)
    return f"{_shortest(frames[-1].filename)}, line {frames[-1].lineno}: " if frames else ""


def _below(file: str, folders: tuple[str, ...]) -> bool:
    return any(file.startswith(folder if folder == "<" else folder + os.sep) for folder in folders)


def _shortest(file: str) -> str:
    return min(file, os.path.relpath(file), key=len)
