"""Collects the code that an exported model needs to find the same entities as the service.

Transformers runs code that lies beside a model if the caller allows it (``trust_remote_code``). Such code can
import only modules in the same folder. So ``entities.py`` and all modules of this package that it imports are
copied, and their imports are made relative.
"""

import re
from functools import cache
from importlib.resources import files

PACKAGE = "huggingface_ner"
PIPELINE = "exports.entities"
# The task of the pipeline, and the value of ``custom_pipelines`` in config.json.
TASK = "entities"
CUSTOM_PIPELINES = {TASK: {"impl": "entities.EntitiesPipeline", "pt": ["AutoModelForTokenClassification"]}}

_NOTICE = """\
# A copy of {module}, under the Apache License 2.0; it is not part of the model's own license.
"""
_IMPORT = re.compile(rf"^(?P<indent>\s*)from {PACKAGE}\.(?P<module>[\w.]+) import", re.MULTILINE)


@cache
def pipeline_code() -> dict[str, bytes]:
    """Return the content of each file by its name."""
    found: dict[str, bytes] = {}
    waiting = [PIPELINE]
    while waiting:
        module = waiting.pop()
        if _file(module) not in found:
            path = files(PACKAGE).joinpath(*f"{module.replace('.', '/')}.py".split("/"))
            source = path.read_text(encoding="utf-8")
            waiting += [match["module"] for match in _IMPORT.finditer(source)]
            notice = _NOTICE.format(module=f"{PACKAGE}.{module}")
            found[_file(module)] = (notice + _IMPORT.sub(_relative, source)).encode()
    return found


def _relative(match: re.Match[str]) -> str:
    return f"{match['indent']}from .{_file(match['module']).removesuffix('.py')} import"


def _file(module: str) -> str:
    """Return the file name for a module.

    It contains the name of the package, because modules of two packages may have the same name.
    """
    return "entities.py" if module == PIPELINE else f"{module.replace('.', '_')}.py"
