"""All families of engines, one for each name in ``engine_kinds.EngineName``."""

from importlib import import_module
from typing import get_args

from huggingface_ner.engine_kinds import EngineKind, EngineName
from huggingface_ner.engines.engine import EngineFamily


def _family(name: EngineName) -> EngineFamily:
    family: EngineFamily = import_module(f"huggingface_ner.engines.{name}_engine").FAMILY
    return family


FAMILIES: dict[EngineName, EngineFamily] = {name: _family(name) for name in get_args(EngineName)}


def family_of(kind: EngineKind) -> EngineFamily:
    """Return the family that prepares and loads engines of a kind."""
    return FAMILIES[kind.engine]
