"""The head of a data set's README on the Hub, which states its configurations and their files."""

from typing import Any

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.errors import DataError, unknown

README = "README.md"
RULE = "see `configs` in the Hub's documentation, or remove it from the README"


def data_files(top: Place, config: str | None) -> dict[str, tuple[str, ...]]:
    """The patterns of the files of each split that the README's YAML states; nothing where it states none.

    Raises:
        DataError: YAML that cannot be read, an unknown configuration, several and none is named.
    """
    configs = _configs(top / README)
    if not configs:
        return {}
    by_name = {str(each.get("config_name", "default")): each for each in configs}
    name = config or _default(top, by_name)
    if name not in by_name:
        raise DataError(f"{top / README}: {unknown('configuration', name, by_name)}; set `config` to one of them")
    folder = by_name[name].get("data_dir")
    stated = by_name[name].get("data_files")
    if stated is None:
        return {}
    try:
        patterns = _patterns(stated)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{top / README}: data_files of {name!r} is {stated!r:.80}; {RULE}") from error
    below = f"{str(folder).strip('/')}/" if folder else ""
    aliases = {"valid": "validation", "val": "validation", "dev": "validation"}
    return {aliases.get(part, part): tuple(f"{below}{each}" for each in files) for part, files in patterns.items()}


def _default(top: Place, by_name: dict[str, Any]) -> str:
    chosen = [name for name, each in by_name.items() if each.get("default") is True]
    if len(chosen) == 1 or len(by_name) == 1 or "default" in by_name:
        return chosen[0] if chosen else "default" if "default" in by_name else next(iter(by_name))
    raise DataError(
        f"{top / README}: {len(by_name)} configurations ({', '.join(by_name)}); name one, as in "
        f'config="{next(iter(by_name))}" or hf://owner/name/{next(iter(by_name))}'
    )


def _configs(readme: Place) -> list[dict[str, Any]]:
    if not readme.exists():
        return []
    text = readme.read().decode(errors="replace").lstrip("\ufeff").replace("\r\n", "\n")
    if not text.startswith("---\n"):
        return []
    import yaml  # Ray needs it too

    try:
        head = yaml.safe_load(text[4:].split("\n---", 1)[0])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = " ".join(str(error).split())[:120]
        raise DataError(f"{readme}: the YAML at its top cannot be read ({line}); fix or remove it") from error
    configs = head.get("configs") if isinstance(head, dict) else None
    if configs is None:
        return []
    if not isinstance(configs, list) or not all(isinstance(each, dict) for each in configs):
        raise DataError(f"{readme}: `configs` is not a list of mappings; {RULE}")
    return configs


def _patterns(stated: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401
    """`a.csv`, a list of patterns, a list of {split, path}, or {split: patterns}, as the Hub takes them."""
    if isinstance(stated, dict):
        return {str(part): _several(each) for part, each in stated.items()}
    if isinstance(stated, list) and stated and all(isinstance(each, dict) for each in stated):
        return {str(each["split"]): _several(each["path"]) for each in stated}
    return {"train": _several(stated)}


def _several(paths: Any) -> tuple[str, ...]:  # noqa: ANN401
    found = (paths,) if isinstance(paths, str) else tuple(paths)
    if not found or not all(isinstance(each, str) for each in found):
        raise TypeError(paths)
    return found
