"""One real Label Studio for the whole session, and backends with a model whose predictions are known."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from demo.label_studio import label_studio
from tests.e2e.lexicon import save_lexicon_model
from tests.e2e.studio import Studio
from tests.server.service import free_port, running, wait

SERVE = [sys.executable, "-m", "huggingface_ner", "serve"]
TOKEN = "0123456789abcdef0123456789abcdef01234567"
ACCOUNT = {"user": "e2e@example.org", "password": "e2e-password-1", "token": TOKEN}
EACH_N_UPDATES = 24
KNOWN = {
    "ada": "B-PER",
    "lovelace": "I-PER",
    "jose": "B-PER",
    "zurich": "B-LOC",
    "sao": "B-LOC",
    "paulo": "I-LOC",
    "lyon": "B-LOC",
}
YET_TO_BE_LEARNED = dict.fromkeys(("grace", "hopper", "acme", "flew", "to", "for"), "O")

SCREENSHOTS = Path(__file__).resolve().parent / "screenshots"

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Start a Label Studio with strict validation: it refuses a whole batch of predictions for one wrong field."""
    folder = tmp_path_factory.mktemp("label-studio")
    strict = {"fflag_feat_utc_210_prediction_validation_15082025": "true"}
    with label_studio(folder, free_port(), **ACCOUNT, **strict) as server, Studio(server) as studio:
        yield studio


@pytest.fixture(scope="session")
def serve(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Return a function that starts a backend for the session's Label Studio; its keywords are settings."""
    model = save_lexicon_model(tmp_path_factory.mktemp("lexicon"), {**KNOWN, **YET_TO_BE_LEARNED}, ["PER", "LOC"])

    @contextmanager
    def serving(**settings: str) -> Iterator[str]:
        folder: Path = tmp_path_factory.mktemp("backend")
        environment = {
            "BASELINE_MODEL_NAME": str(model),
            "LABEL_STUDIO_HOST": studio.server.url,
            "LEARNING_RATE": "2e-2",
            "F1_TOLERANCE": "1",  # the few held-out texts vary, and may refuse any model
            "START_TRAINING_EACH_N_UPDATES": str(EACH_N_UPDATES),
            **settings,
        }
        with running(SERVE, folder / "log", **environment) as url:
            wait(f"{url}/health", 401 if "BASIC_AUTH_USER" in settings else 200)
            yield url

    return serving


@pytest.fixture(scope="session")
def backend(serve: Serve) -> Iterator[str]:
    """Start a backend that asks for no credentials and has the legacy token of Label Studio's user."""
    with serve(LABEL_STUDIO_API_KEY=TOKEN, ALLOWED_URL_HOSTS="127.0.0.1") as url:
        wait(f"{url}/ready")
        yield url


@pytest.fixture(scope="session")
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """Open a page in Chromium in which Label Studio's user is signed in."""
    SCREENSHOTS.mkdir(exist_ok=True)
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{studio.server.url}/user/login/")
    page.fill("input[name=email]", studio.server.user)
    page.fill("input[name=password]", studio.server.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/user/login" not in url)
    yield page
    context.close()
