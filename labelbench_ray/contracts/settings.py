"""The laws of every plug-in: what its settings are."""

from multiprocessing.reduction import ForkingPickler
from typing import Final, TypeVar

from pydantic import ValidationError

from labelbench_ray import plugins
from labelbench_ray.config import digest
from labelbench_ray.contracts.law import Law, NotApplicable, raising_nothing, require
from labelbench_ray.plugins import Plugin

Value = TypeVar("Value")


def sent(value: Value) -> Value:
    """The value as another process gets it."""
    copy: Value = ForkingPickler.loads(bytes(ForkingPickler.dumps(value)))
    return copy


def survive_a_record(plugin: Plugin) -> None:
    """A trial's header holds settings as JSON, and every process makes the plug-in anew from them."""
    with raising_nothing("written as JSON and read back", "give every setting a type that JSON has"):
        again = type(plugin)(**plugin.model_dump(mode="json"))
        copy = sent(plugin)
    fix = "let a validator return the same for what it has returned"
    require(again == plugin, f"{again!r} is read back for {plugin!r}", fix)
    require(copy == plugin, f"{copy!r} arrives in another process for {plugin!r}", fix)


def have_a_fingerprint(plugin: Plugin) -> None:
    """The recipe names the plug-in, its version and settings, those of inner plug-ins included."""
    with raising_nothing("asked for its recipe", "let `inner_plugins` make what each setting of type Part names"):
        first, second = (digest(plugins.recipe("own", each)) for each in (plugin, plugin.model_copy()))
    require(first == second, "its fingerprint differs for the same settings", "let settings be values")


def unknown_ones_are_refused(plugin: Plugin) -> None:
    """A misspelled setting must not be ignored."""
    for name in ["no_such_setting", *(f"{field}x" for field in type(plugin).model_fields)]:
        try:
            type(plugin)(**plugin.model_dump(mode="json") | {name: 1})
        except ValidationError:
            continue
        require(False, f"it takes a setting {name!r}, which it does not have", "leave `model_config` as it is")


def are_frozen(plugin: Plugin) -> None:
    """A plug-in is a value."""
    if not type(plugin).model_fields:
        raise NotApplicable("it has no settings")
    name = next(iter(type(plugin).model_fields))
    try:
        setattr(plugin, name, getattr(plugin, name))
    except (ValidationError, TypeError, AttributeError):
        return
    require(False, f"its setting {name!r} can be assigned", "leave `model_config` as it is")


LAWS: Final[tuple[Law[Plugin], ...]] = (
    Law("its settings survive JSON and pickling", survive_a_record),
    Law("it has a fingerprint, the same for the same settings", have_a_fingerprint),
    Law("it refuses settings that it does not have", unknown_ones_are_refused),
    Law("its settings cannot be assigned", are_frozen),
)
