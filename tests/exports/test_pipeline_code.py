"""The code that is exported with a model is complete, and does not import this package."""

import ast
from importlib.util import find_spec

from huggingface_ner.exports.pipeline_code import CUSTOM_PIPELINES, pipeline_code


def test_all_imports_are_exported_or_named_in_the_card() -> None:
    code = pipeline_code()
    outside = set()
    for content in code.values():
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Import):
                outside |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                outside.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                assert (node.level, f"{node.module}.py" in code) == (1, True)
    installed = {name for name in outside if "site-packages" in str(getattr(find_spec(name), "origin", ""))}
    assert installed == {"transformers", "torch", "numpy", "regex", "pydantic", "tokenizers"}


def test_it_has_the_class_that_the_config_names() -> None:
    module, _, name = str(CUSTOM_PIPELINES["entities"]["impl"]).partition(".")
    tree = ast.parse(pipeline_code()[f"{module}.py"])
    assert name in [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def test_every_file_names_its_license() -> None:
    for content in pipeline_code().values():
        assert b"Apache License 2.0" in content.splitlines()[0]
