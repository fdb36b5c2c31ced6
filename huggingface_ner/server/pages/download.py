"""The route that downloads a version as a Hugging Face model."""

from collections.abc import Callable

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.server.pages.guard import NOT_ALLOWED, may_act
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store

# The relative address of the folder of the projects' pages.
BACK = "../../../"


def install(app: Flask, settings: Settings, refuse: Callable[[str, int, str], ResponseReturnValue]) -> None:
    """Add the route to the app. refuse: see actions.Refuse."""

    @app.get("/projects/<project>/versions/<version>/download")
    def download(project: str, version: str) -> ResponseReturnValue:
        """Send a zip file while it is made, because a model has several hundred megabytes."""
        # imported here, because the server has to answer before the Hub's client is imported
        from huggingface_ner.exports.exported_model import exported_files, zip_pieces  # noqa: PLC0415
        from huggingface_ner.exports.model_card import CardOptions  # noqa: PLC0415

        project_id = parse_project_id(project)
        # no form token is needed: nothing is changed, and other sites cannot read the answer
        if not may_act(request, settings):
            return refuse(NOT_ALLOWED, 403, BACK)
        found = None if project_id is None else project_store(settings.models_folder, project_id).version(version)
        if found is None:
            return refuse(f"{version[:100]}: there is no such version", 404, BACK)
        try:
            files = exported_files(
                found, CardOptions(found.name, settings.model_license, settings.model_languages)
            )
        except (HuggingFaceNERError, OSError) as error:
            return refuse(str(error), 409, BACK)
        answer = Response(zip_pieces(files, found.name), content_type="application/zip")
        answer.headers["Content-Disposition"] = f'attachment; filename="{found.name}.zip"'
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["X-Accel-Buffering"] = "no"  # see server.asgi
        return answer
