"""What is wrong with a configuration or the environment, in words of its keys, with the nearest name that exists."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from flows.runtime.locations import LOCATIONS, PREFIX
from hsrl_train.renamed_settings import RENAMED
from pipeline.errors import ConfigError, all_faults
from pipeline.ingest.registry import SECTION_OF_KIND

_FEW = 20  # names that an error lists


def faults_of(error: ValidationError, settings: type[BaseModel]) -> list[str]:
    """The faults of a configuration, misspelt keys first: where, what, and the nearest key that exists."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")  # a misspelt key is also a missing one
    return list(dict.fromkeys(_fault(fault, settings) for fault in faults))  # members of a union may say the same


def _fault(fault: ErrorDetails, settings: type[BaseModel]) -> str:
    # Pydantic names the member of a union by its tag or type; the file does not.
    keys = [str(key) for key in fault["loc"] if key not in SECTION_OF_KIND and re.fullmatch(r"\w+", str(key))]
    variable = PREFIX + "__".join(keys).upper()
    name = f"{variable} of the environment" if variable in os.environ else ".".join(keys)
    if fault["type"] == "extra_forbidden":
        section = _section_at(settings, fault["loc"][:-1])
        return f"unknown key {name}{_nearest(keys[-1], section.model_fields) if section else ''}"
    if fault["type"] == "missing":
        return f"{name} is missing"
    hidden = isinstance(fault["input"], dict) or _is_secret(settings, fault["loc"])
    value = "" if hidden else f", got {fault['input']!r:.60}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{f'{name}: ' if name and not message.startswith(f'{name}.') else ''}{message}{value}"


def _is_secret(settings: type[BaseModel], path: tuple[str | int, ...]) -> bool:
    section = _section_at(settings, path[:-1]) if path else None
    field = section.model_fields.get(str(path[-1])) if section else None
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))


def _section_at(settings: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The section that a path of keys leads to; None inside lists and maps."""
    section: type[BaseModel] | None = settings
    for key in path:
        if section is None or key in SECTION_OF_KIND:
            section = SECTION_OF_KIND.get(str(key))
        elif key != "source":  # its kind comes next
            field = section.model_fields.get(str(key))
            section = _model_in(field.annotation) if field else None
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section among the members of ``Section | None``."""
    members = (annotation, *get_args(annotation))
    return next((member for member in members if isinstance(member, type) and issubclass(member, BaseModel)), None)


def refuse_unknown_variables(environment: Mapping[str, str], settings: type[BaseModel]) -> None:
    """Refuse HSRL_ variables that nothing reads, as they are misspelt.

    Raises:
        ConfigError: there are some; for each the nearest that exists is named.
    """
    known = _variables(settings)
    unknown = [name for name in sorted(environment) if name.upper().startswith(PREFIX) and name.upper() not in known]
    if unknown:
        raise ConfigError(f"environment: {all_faults([_unknown_variable(name, known) for name in unknown])}")


def _unknown_variable(name: str, known: set[str]) -> str:
    renamed = {_variable(old): _variable(new) for old, new in RENAMED.items()}
    if name.upper() in renamed:
        return f"{name} is now {renamed[name.upper()]}"
    return f"unknown variable {name}{_nearest(name.upper(), known) or f'; variables are {PREFIX}SECTION__FIELD'}"


def _variable(setting: str) -> str:
    """The variable of a setting such as ``sids.vocabulary``."""
    return f"{PREFIX}{setting.replace('.', '__')}".upper()


def _variables(settings: type[BaseModel]) -> set[str]:
    """Every variable that is read; those of ``source`` depend on its kind, and pydantic refuses what does not fit."""
    names = set(LOCATIONS)
    for name, field in settings.model_fields.items():
        sections = list(SECTION_OF_KIND.values()) if name == "source" else [_model_in(field.annotation)]
        for section in sections:
            names |= {_variable(setting) for setting in _settings_in(section, name)} if section else {_variable(name)}
    return names


def _settings_in(section: type[BaseModel], prefix: str) -> set[str]:
    """Dotted names of all that a section holds, sections inside it and their settings among them."""
    names = set()
    for name, field in section.model_fields.items():
        names.add(f"{prefix}.{name}")
        if inner := _model_in(field.annotation):
            names |= _settings_in(inner, f"{prefix}.{name}")
    return names


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}" if len(names) <= _FEW else ""
