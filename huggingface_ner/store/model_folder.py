"""Saves a model into a folder, completely or not at all."""

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.store.files import delete_leftovers, folder_aside, place_folder


def check_can_save(folder: Path) -> None:
    """Raise FileExistsError if saving would replace something that is not a model."""
    if folder.exists() and not (folder / "config.json").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not a model; choose a new folder")


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a model for ``load_tagger``; a model in the folder is replaced only when the new one is complete.

    Raises OSError.
    """
    check_can_save(folder)
    delete_leftovers(folder.parent)
    with folder_aside(folder.parent) as aside:
        write_model(model, tokenizer, aside)
        place_folder(aside, folder)


def write_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model's files; raises OSError."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
