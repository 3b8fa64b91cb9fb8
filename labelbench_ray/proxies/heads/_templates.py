"""Prompt templates of published zero-shot classifiers. `{}` stands for the class name."""

from pathlib import Path

from labelbench_ray.errors import ConfigError

PLACEHOLDER = "{}"
OPENAI_IMAGENET = "openai_imagenet"
"""The 80 of CLIP (Radford et al. 2021), which lie in open_clip."""

WRITTEN = {
    "simple": ("a photo of a {}.",),
    # fMoW and iWildCam as in WiSE-FT (Wortsman et al. 2022) and FLYP (Goyal et al. 2023). Two of fMoW's 16 repeat the
    # first two with the article that fits; `{an}` stands for that article and the name.
    "fmow": (
        *(f"{kind} photo of {{an}}." for kind in ("satellite", "aerial")),
        *(
            f"{kind} photo of a {{}}{place}."
            for place in ("", " in asia", " in africa", " in the americas", " in europe", " in oceania")
            for kind in ("satellite", "aerial")
        ),
        "a photo of a {}.",
        "{}.",
    ),
    "iwildcam": ("a photo of {}.", "{} in the wild."),
}
NAMES = (OPENAI_IMAGENET, *WRITTEN)
WITH_ARTICLE = "{an}"


def checked(templates: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The templates; `ConfigError` for none at all, or one without its placeholder."""
    if not templates:
        raise ConfigError(f"{where} has no template; write one a line, such as 'a photo of a {PLACEHOLDER}.'")
    for template in templates:
        if PLACEHOLDER not in template and WITH_ARTICLE not in template:
            raise ConfigError(
                f"{where}: template {template!r} has no {PLACEHOLDER}, so every class would get the same text; write "
                f"{PLACEHOLDER} where the class name belongs (or {WITH_ARTICLE} for the name with a or an)"
            )
    return templates


def read(path: Path) -> tuple[str, ...]:
    """The templates of a text file, one a line; empty lines do not count."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"templates {str(path)!r} is neither one of {', '.join(NAMES)} nor a text file that can be read ({error}); "
            "name one of them, or a file with one template a line"
        ) from error
    return checked(tuple(line.strip() for line in lines if line.strip()), str(path))


def filled(template: str, name: str) -> str:
    """The text for one class."""
    article = "an" if name[:1].lower() in tuple("aeiou") else "a"
    return template.replace(WITH_ARTICLE, f"{article} {name}").replace(PLACEHOLDER, name)
