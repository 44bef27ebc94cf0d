"""Options from the fields of settings dataclasses, so that each option is declared once."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from a2g_cli.core.settings import PANELS, Setting, settings_of

Given = dict[str, Any]
"""Field -> what was typed; a field that was not typed is None."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def with_settings(
    parameter: str, settings: type, *, first: Sequence[str] = (), without: Sequence[str] = ()
) -> Callable[[_Function], _Function]:
    """Return a decorator that puts options in the place of a command's ``parameter``, which gets them as ``Given``.

    Args:
        parameter: of the command's function.
        settings: a dataclass; its fields made by ``setting`` become options, all of them None unless typed.
        first: fields that stand among the options that people use first, whatever their panel.
        without: fields that this command sets itself.
    """
    chosen = [one for one in settings_of(settings) if one.name not in without]

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            typed = {one.name: given.pop(one.name) for one in chosen}
            return function(**given, **{parameter: typed})

        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(function, eval_str=True).parameters.values():
            if own.name == parameter:
                parameters += [_parameter(one, one.name in first) for one in chosen]
            else:
                parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        parameters.sort(key=_place)
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        return command  # type: ignore[return-value]

    return decorate


def _place(parameter: inspect.Parameter) -> int:
    """Return where a parameter's panel stands in the help; arguments and what is used first come first."""
    told = getattr(parameter.annotation, "__metadata__", ())
    panel = getattr(told[0], "rich_help_panel", None) if told else None
    return PANELS.index(panel) if panel in PANELS else -1


def _parameter(one: Setting, first: bool) -> inspect.Parameter:
    bounds: dict[str, Any] = {}
    if one.kind in (int, float):
        bounds = {name: one.kind(bound) for name, bound in (("min", one.low), ("max", one.high)) if bound is not None}
    option = typer.Option(
        one.option, metavar=one.metavar, help=one.help, rich_help_panel=None if first else one.panel, **bounds
    )
    kind: Any = list[str] if one.kind is list else one.kind
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )
