"""The routes of the pages, and the headers of every page."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from jinja2 import Environment, PackageLoader, StrictUndefined

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.learning import quotes
from huggingface_ner.server.pages import actions, download, words
from huggingface_ner.server.pages.charts import draw_chart
from huggingface_ner.server.pages.facts import FactsReader, ProjectFacts, now
from huggingface_ner.server.pages.guard import form_token, give_token, may_act
from huggingface_ner.server.pages.project import ProjectPage, read_project
from huggingface_ner.server.pages.review_csv import review_csv
from huggingface_ner.server.pages.review_reading import read_page_review
from huggingface_ner.settings import Settings
from huggingface_ner.store.version_names import published_at

# Pages load nothing from other sites and run no inline scripts or styles; other pages cannot show them in a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
# Width and height of the learning curve on a wide and on a narrow screen, in pixels
CHARTS = {"wide": (760, 300), "narrow": (340, 250)}
# Seconds after which a page refreshes itself: while a training runs or waits, and at other times.
BUSY_INTERVAL = 2
IDLE_INTERVAL = 10
# Number of kinds of mistakes that the page lists, the most frequent first.
SHOWN_KINDS = 12
# Number of dubious annotations that are visible at once; the others are in a list that people can open.
SHOWN_DUBIOUS = 10


def install(
    app: Flask, settings: Settings, queue: TrainingQueue | None, health: Callable[[], ResponseReturnValue]
) -> None:
    """Add the pages to the app. health: answers ``GET /`` for programs, among them Label Studio."""
    facts = FactsReader(settings, queue)
    pages = _Pages(settings, facts)

    @app.get("/")
    def home() -> ResponseReturnValue:
        return pages.home() if wants_page() else _varying(app.make_response(health()))

    @app.get("/projects/<project>")
    def project_page(project: str) -> ResponseReturnValue:
        project_id = parse_project_id(project)
        return abort(404) if project_id is None else pages.project(project_id)

    @app.get("/projects/<project>/review.csv")
    def review_table(project: str) -> ResponseReturnValue:
        project_id = parse_project_id(project)
        return abort(404) if project_id is None else pages.review(project_id)

    actions.install(app, settings, queue, pages.refuse)
    download.install(app, settings, pages.refuse)

    @app.get("/assets/<name>")
    def asset(name: str) -> ResponseReturnValue:
        if name not in ASSETS:
            abort(404)
        content = files(__package__).joinpath("assets", name).read_bytes()
        answer = Response(content, content_type=f"{ASSETS[name]}; charset=utf-8")
        answer.headers["Cache-Control"] = "no-cache"
        answer.add_etag()
        return answer.make_conditional(request)


def wants_page() -> bool:
    """Return whether the client prefers a page to JSON; a client that accepts anything gets JSON."""
    return request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"


class _Pages:
    def __init__(self, settings: Settings, facts: FactsReader) -> None:
        self._settings = settings
        self._facts = facts
        self._templates = Environment(
            loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters["score"] = _score
        self._templates.filters["date"] = words.date
        self._templates.filters["iso"] = words.iso
        self._templates.filters["version_time"] = published_at
        self._templates.filters["short"] = quotes.name
        self._templates.filters["percentage"] = words.percentage
        self._templates.globals["counted"] = words.counted

    def home(self) -> Response:
        overview = self._facts.overview()
        busy = any(known.status["state"] in ("running", "waiting") for known in overview.projects)
        said = {"sentence": words.state_sentence, "progress": words.progress_sentence}
        return self._page("home.html", "", busy=busy, projects=overview.projects, trouble=overview.trouble, **said)

    def project(self, project_id: int) -> Response:
        known, trouble = self._facts.project(project_id)
        if known is None:
            if wants_page():
                answer = self._page("unknown.html", "../", busy=True, project_id=project_id, trouble=trouble)
                answer.status_code = 503 if trouble else 404
                return answer
            if trouble:
                abort(503, trouble)
            abort(404, f"project {project_id}: nothing is known about it yet")
        page = read_project(known, self._facts.store(project_id), self._settings)
        sentences = self._sentences(known, page)
        if not wants_page():
            return _varying(jsonify(page.as_dict(sentences)))
        busy = known.status["state"] in ("running", "waiting")
        values = {**sentences, "page": page, "known": known, "charts": _charts(page), "trouble": trouble}
        values |= {"shown_kinds": SHOWN_KINDS, "shown_dubious": SHOWN_DUBIOUS}
        token = form_token(request) if may_act(request, self._settings) else None
        answer = self._page("project.html", "../", busy=busy, token=token, **values)
        if token is not None:
            give_token(answer, request, token)
        return answer

    def review(self, project_id: int) -> Response:
        known, _ = self._facts.project(project_id)
        review = read_page_review(known) if known else None
        if review is None:
            abort(404, f"project {project_id}: no training has looked for annotations to review yet")
        # the byte order mark tells spreadsheets that this is UTF-8; texts may contain lone surrogates
        content = review_csv(review).encode("utf-8-sig", "replace")
        answer = Response(content, content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="review-{project_id}.csv"'
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def refuse(self, message: str, status: int, back: str) -> ResponseReturnValue:
        """Return an answer that says why an action failed. back: the relative address of the projects' pages."""
        if not wants_page():
            abort(status, message)
        values = {"message": message, "trouble": None, "refreshes": False}
        answer = self._page("refused.html", f"{back}../", busy=False, **values)
        answer.status_code = status
        return answer

    def _sentences(self, known: ProjectFacts, page: ProjectPage) -> dict[str, Any]:
        """Return what the page says in sentences; programs get them too."""
        status, expected = known.status, page.forecast
        last, run = status.get("last"), status.get("run")
        each = self._settings.start_training_each_n_updates
        left = known.tasks_now.left if known.tasks_now else None
        return {
            "now": words.state_sentence(status),
            "next": words.next_sentence(status, each) if status["state"] not in ("unknown", "damaged") else "",
            "outcome": words.outcome_sentence(last, now()) if last else "",
            "progress": words.progress_sentence(run) if run else "",
            "percent": words.percent(run, now()) if run else None,
            "accepted": _accepted(page),
            "forecast": words.forecast_sentence(expected, page.points[-1].tasks, left) if expected else "",
            "tasks_now": words.tasks_sentence(known.tasks_now) if known.tasks_now else "",
        }

    def _page(self, template: str, root: str, *, busy: bool, **values: Any) -> Response:
        """Return a page. root: the relative address of the home page; proxies may serve it under any path."""
        interval = BUSY_INTERVAL if busy else IDLE_INTERVAL
        values = {"refreshes": True, **values, "root": root, "interval": interval, "time": now()}
        text = self._templates.get_template(template).render(**values)
        # files that somebody has edited may contain lone surrogates
        answer = Response(text.encode("utf-8", "replace"), content_type="text/html; charset=utf-8")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "same-origin"
        return _varying(answer)


def _varying(answer: Response) -> Response:
    answer.vary.add("Accept")
    return answer


def _accepted(page: ProjectPage) -> str:
    """Return how many suggestions were accepted, for the newest version for which this is known."""
    if page.newest_accepted is None:
        return ""
    version, suggestions = page.newest_accepted
    current = page.known.version
    return words.accepted_sentence(suggestions, None if current and current.name == version else version)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _charts(page: ProjectPage) -> dict[str, Any]:
    if not page.points and not page.accepted:
        return {}
    return {name: draw_chart(page.points, page.accepted, page.forecast, size) for name, size in CHARTS.items()}
