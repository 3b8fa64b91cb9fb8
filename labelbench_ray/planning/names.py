"""Names of experiments, and their owners and tags: which ones are accepted, and how an owner begins a name.

`alice--study.margins` is the experiment `study.margins` of the owner `alice`: in `runs`, in MLflow and in exports. An
owner does not hold two hyphens in a row, so that no two owners and names make the same folder.
"""

import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Final

from labelbench_ray.errors import ConfigError

NAME: Final = re.compile(r"\w[\w.-]*")
OWNER: Final = re.compile(r"[0-9A-Za-z_]+([.-][0-9A-Za-z_]+)*")
KEY: Final = re.compile(r"[A-Za-z_][0-9A-Za-z_.-]*")
LONGEST_OWNER: Final = 64
LONGEST_KEY, LONGEST_VALUE = 100, 500
"""MLflow accepts longer ones."""
RESERVED: Final = ("mlflow.", "labelbench.")
"""Beginnings of MLflow tags that have a meaning."""
SEPARATOR: Final = "--"


def check_name(name: object) -> None:
    """Refuse what cannot name an experiment's folder."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f"name: {name!r} cannot name a folder in `runs`; use letters, digits, '_', '-' and '.', such as "
            "'study.margins'"
        )


def python_name(name: str) -> str:
    """A name of Python for a function that defines the experiment `name`."""
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "data"
    return f"study_{word}" if word[0].isdigit() or keyword.iskeyword(word) else word


def full_name(owner: str | None, name: str) -> str:
    """The name of an experiment's folder and of its experiment in MLflow.

    Raises:
        ConfigError: the owner cannot begin a name.
    """
    if owner is None:
        return name
    if not isinstance(owner, str) or not OWNER.fullmatch(owner) or len(owner) > LONGEST_OWNER:
        raise ConfigError(
            f"owner: {owner!r} cannot begin the name of a folder; use at most {LONGEST_OWNER} letters (a to z), digits "
            "and '_', with single '-' or '.' between them, such as 'alice' or 'team-a'"
        )
    return f"{owner}{SEPARATOR}{name}"


def parsed_tags(texts: Iterable[str]) -> dict[str, str]:
    """Tags as the command line has them, `key=value`; see `checked_tags`.

    Raises:
        ConfigError: one is not such a pair, or a key comes twice.
    """
    tags: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--tag {text!r} is not a key and a value; write it as in --tag team=vision")
        if key in tags:
            raise ConfigError(f"--tag {key} is given twice, with {tags[key]!r} and {value!r}; give it once")
        tags[key] = value
    return checked_tags(tags)


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags; an empty value takes a recorded tag away.

    Raises:
        ConfigError: a key or a value that MLflow or a terminal could not show.
    """
    for key, value in tags.items():
        if not isinstance(key, str) or not KEY.fullmatch(key) or len(key) > LONGEST_KEY or key.startswith(RESERVED):
            raise ConfigError(
                f"tag {key!r}: not a key; use at most {LONGEST_KEY} letters (a to z), digits, '_', '-' and '.', a "
                f"letter first and neither {RESERVED[0]!r} nor {RESERVED[1]!r}, such as 'team'"
            )
        if not isinstance(value, str) or len(value) > LONGEST_VALUE or not value.isprintable():
            raise ConfigError(
                f"tag {key}: {value!r} is not a value; use one line of at most {LONGEST_VALUE} printable characters"
            )
    return dict(tags)


def with_tags(recorded: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Recorded tags with those that a run gives: changed, added, or taken away by an empty value."""
    return {key: value for key, value in {**recorded, **given}.items() if value}


def check_owner(folder: str, recorded: str | None, owner: str | None) -> None:
    """Refuse a folder that was recorded with another owner, or without one."""
    if recorded != owner:
        whose = f"with the owner {recorded!r}" if recorded else "without an owner"
        asked = f"the owner {owner!r}" if owner else "none"
        raise ConfigError(
            f"{folder} was recorded {whose}, and this command has {asked}; give the same --owner, or another name "
            "(--name)"
        )
