"""A simulated Label Studio project, which suggests, takes annotations and trains as the service does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.train import hyperparameters
from huggingface_ner.label_studio.documents import open_document
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.learning.spool import Spool
from huggingface_ner.learning.training import Training, TrainingOptions
from huggingface_ner.learning.version import train_version
from huggingface_ner.model import HuggingFaceNER, Models
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText, Span, TaggedText
from huggingface_ner.store.versions import ModelStore
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.single_model import SingleModel

PROJECT = 1


class NoModel:
    """Predicts as the service does if its baseline has no head: the model finds nothing."""

    version = "baseline"
    labels = ()
    is_calibrated = False

    def model_for(self, project_id: int | None) -> "NoModel":
        """Return this object for every project."""
        return self

    def model_version(self, project_id: int | None, timeout: float) -> str:
        """Return ``version`` for every project."""
        return self.version

    def tag(self, texts: list[str], is_connected: Callable[[], bool] = lambda: True) -> list[TaggedText]:
        """Return no spans for each text."""
        return [TaggedText([], 0.0) for _ in texts]


class SimulatedProject:
    """A project of a simulated Label Studio, with one text for each task.

    labels: the labels of its labelling config. baseline: makes suggestions until the first version is published,
    if it has a head. folder: for the texts and the versions; it must exist as long as the project is used. queue:
    stores the known mentions.
    """

    def __init__(
        self,
        labels: Sequence[str],
        baseline: str | Path,
        settings: Settings,
        *,
        seed: int,
        folder: Path,
        queue: TrainingQueue,
    ) -> None:
        self._labels = "".join(f"<Label value={quoteattr(label)}/>" for label in labels)
        self._config = f'<View><Labels name="label" toName="text">{self._labels}</Labels>'
        self._config += '<Text name="text" value="$text"/></View>'
        self._parsed = parse_labeling_config(self._config)
        self._baseline = baseline
        self._settings = settings
        self._seed = seed
        self._folder = folder
        self._queue = queue
        self._store = ModelStore(folder / "versions", settings.keep_versions)
        self._annotated: list[AnnotatedText] = []
        self._use(baseline, "baseline")

    def suggest(self, text: str) -> list[Span]:
        """Return the suggestions for a text; if there is no model, these are only known mentions."""
        (suggested,) = self.suggest_each([text])
        return suggested

    def suggest_each(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the suggestions for each text; see ``suggest``."""
        tasks = [{"id": number, "data": {"text": text}} for number, text in enumerate(texts)]
        (text_object,) = self._parsed.objects
        controls = self._parsed.controls_for(text_object)
        return [
            read_spans(prediction["result"], controls, open_document(text_object, text))
            for text, prediction in zip(texts, self._model.predict(tasks), strict=True)
        ]

    def tag(self, texts: Sequence[str]) -> list[TaggedText]:
        """Return what the current model finds in each text, whatever the scores of the spans."""
        return self._models.model_for(PROJECT).tag(list(texts), lambda: True)

    def annotate(self, text: AnnotatedText) -> None:
        """Submit the gold annotation of a text, and send its event."""
        self._annotated.append(text)
        number = len(self._annotated)
        regions = [
            {
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "value": {"start": span.start, "end": span.end, "labels": [span.label]},
            }
            for span in text.spans
        ]
        event = {
            "annotation": {"id": number, "task": number, "result": regions},
            "task": {"id": number, "data": {"text": text.text}},
            "project": {"id": PROJECT, "label_config": self._config},
        }
        self._model.fit("ANNOTATION_CREATED", event)

    def train(self) -> Outcome:
        """Train on all annotations, as the training job does; then suggest with the current version.

        Raises ModelError, TrainingError and OSError.
        """
        settings = self._settings
        with Spool(self._folder / "texts.jsonl") as spool:
            for text in self._annotated:
                spool.add(text)
            training = Training(
                spool,
                self._parsed.label_names,
                self._parsed.match_labels,
                self._baseline,
                TrainingOptions(hyperparameters(settings, self._seed), device=settings.device),
                match_labels_over=self._parsed.match_labels_over,
                report=lambda progress: None,
                layers=self._parsed.layers,
            )
            preference = settings.engine_preference
            outcome = train_version(
                training, self._store, f1_tolerance=settings.f1_tolerance, preference=preference
            )
        if outcome.version is not None:
            self._use(self._store.folder(outcome.version), outcome.version)
        return outcome

    def _use(self, model: str | Path, version: str) -> None:
        """Suggest with a model from now on; only the baseline may have no head."""
        self._models: Models = NoModel()
        preference: EnginePreference = self._settings.engine_preference
        try:
            self._models = SingleModel(
                version, load_tagger(model, device=self._settings.device, preference=preference)
            )
        except ModelError:
            if version != "baseline":
                raise
        self._model = HuggingFaceNER(
            project_id=str(PROJECT),
            label_config=self._config,
            settings=self._settings,
            models=self._models,
            queue=self._queue,
        )
