"""The environment variables of the service, with their types, defaults and descriptions."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from huggingface_ner.engine_kinds import PRECISION_NEEDS, EngineSetting, PrecisionSetting

# A license's name, as the metadata of a model on the Hub may contain it.
MODEL_LICENSE_PATTERN = r"^\w[\w.+-]*$"
# The maximum number of tasks in each project that get the predictions of a new version with
# PREDICT_AFTER_TRAINING=auto.
AUTO_PREDICTED_TASKS = 1_000


class Variables(BaseSettings):
    """The environment variables as they are set; an empty one counts as not set.

    ``Settings`` adds further checks. The README's table repeats the defaults and the descriptions.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104 - other hosts have to reach it
    port: int = Field(9090, ge=0, le=65535, description="port to listen on; 0: any free port")
    workers: int = Field(
        1, ge=1, description="number of server processes; each has its own copy of the models in memory"
    )
    threads: int = Field(8, ge=1, description="number of predictions that one process makes at the same time")
    basic_auth_user: str | None = Field(
        None, description="user name of HTTP basic authentication, which every route then requires"
    )
    basic_auth_pass: SecretStr | None = Field(
        None, description="password of HTTP basic authentication; needs `BASIC_AUTH_USER`"
    )
    basic_auth_pass_file: Path | None = Field(None, description="file that contains `BASIC_AUTH_PASS`")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="text or json; json: one JSON object for each event"
    )
    max_request_bytes: int = Field(
        100_000_000, ge=1_000, description="maximum size of a request; larger ones are answered with 413"
    )
    baseline_model_name: str = Field(
        "dslim/bert-base-NER",
        description="Hub name or folder of the model to start from; if it is not set and the Hub cannot be "
        "reached, trainings start from the packaged encoder",
    )
    finetuned_model_name: str = Field(
        "finetuned_model",
        pattern=r"^\w[\w.-]*$",
        examples=["finetuned_model"],
        description="name of the folder for fine-tuned models, inside `MODEL_DIR`",
    )
    model_dir: Path = Field(Path("./results"), description="folder for all data that must survive a restart")
    keep_versions: int = Field(5, ge=2, description="number of versions to keep of each project's model")
    models_in_memory: int = Field(
        3,
        ge=1,
        description="maximum number of fine-tuned models in the memory of one process; the least recently used is "
        "removed first",
    )
    model_class: str = Field(
        "huggingface_ner.model:HuggingFaceNER",
        pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$",
        examples=["my_package.my_module:MyNER"],
        description="class that predicts, as `module:Class`; set it to your subclass of `HuggingFaceNER`",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto, cpu or cuda; auto: CUDA if it is available"
    )
    inference_engine: EngineSetting = Field(
        "auto",
        description="auto, openvino, torch or onnx; auto: the fastest engine on this hardware whose spans agree "
        "with those of float32",
    )
    inference_precision: PrecisionSetting = Field(
        "auto", description=f"auto, fp32, bf16 or int8; {PRECISION_NEEDS}"
    )
    inference_agreement: float = Field(
        0.95,
        ge=0,
        le=1,
        description="minimum agreement of an engine with float32: span F1 on the held-out texts, and on sample "
        "texts if few are held out",
    )
    max_waiting_texts: int = Field(
        5_000,
        ge=1,
        description="maximum number of texts that wait in one process; further requests are answered with 503",
    )
    cached_spans: int = Field(
        20_000,
        ge=0,
        description="size of one process's prediction cache: the maximum number of cached spans and "
        "cached texts together; 0: no cache",
    )
    label_studio_host: str = Field(
        "http://localhost:8080",
        pattern=r"^https?://[^\s/]",
        examples=["http://localhost:8080"],
        description="Label Studio's address",
    )
    label_studio_api_key: SecretStr | None = Field(
        None, description="Label Studio's legacy token or personal access token; sent to `LABEL_STUDIO_HOST` only"
    )
    label_studio_api_key_file: Path | None = Field(None, description="file that contains `LABEL_STUDIO_API_KEY`")
    allowed_url_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description='further hosts, separated by commas, from which texts with `valueType="url"` may be fetched; '
        "`*`: all hosts with a public address",
    )
    url_max_bytes: int = Field(
        10_000_000, ge=1, description="maximum size of a text that is fetched from a URL, in bytes"
    )
    url_timeout: float = Field(
        10.0, gt=0, description="maximum time to fetch the texts of one request, in seconds"
    )
    start_training_each_n_updates: int = Field(
        10,
        ge=0,
        description="number of annotation updates after which a project is trained; 0: it is trained only when "
        "its labels change or when somebody clicks Start Training",
    )
    known_mentions: bool = Field(
        True,
        description="suggest strings that were annotated in other tasks of the project; the texts of annotated "
        "tasks are then stored in Redis",
    )
    min_score: float | Literal["auto"] = Field(
        "auto",
        description="minimum score of a suggestion, from 0 to 1; 0: everything is suggested; auto: 0.5, or 0 if "
        "the model's scores are not calibrated",
    )
    gazetteer: Path | None = Field(
        None,
        description="file of strings that are suggested in all projects, with a line `text<TAB>label` for each; "
        "it is read when the service starts",
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="learning rate of the new head; the encoder has the same rate, up to a maximum that depends "
        "on the encoder's size",
    )
    num_train_epochs: float = Field(
        10.0,
        gt=0,
        le=10_000,
        description="number of passes over the tasks; small projects are trained for more passes",
    )
    training_repetitions: Annotated[int, Field(ge=1, le=10)] | Literal["auto"] = Field(
        "auto",
        description="how many times a training is done, each time with the texts in another order; the model gets "
        "the mean of the weights, which is more accurate; auto: 2 for 40 to about 300 short texts if the encoder "
        "is as small as the packaged one, else 1",
    )
    weight_decay: float = Field(0.01, ge=0, lt=1, description="weight decay of AdamW")
    f1_tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="a new model is not published if its F1 on the held-out tasks is lower than the current "
        "model's by more than this value, unless the difference may be chance; 1: every new model is published",
    )
    predict_after_training: bool | Literal["auto"] = Field(
        "auto",
        description="store the predictions of each new version in Label Studio, for tasks without annotations: "
        f"auto: for those that already have predictions, at most {AUTO_PREDICTED_TASKS} in each project; "
        "true: for all; false: for none",
    )
    update_project_model_version: bool = Field(
        False,
        description="select each new version in its project in Label Studio; uncertainty sampling then offers the "
        "least certain task first; needs `PREDICT_AFTER_TRAINING=true`",
    )
    training_threads: int | None = Field(
        None, ge=1, description="number of CPU cores that a training uses; none: half of the available cores"
    )
    training_timeout: int = Field(86_400, ge=1, description="seconds after which a training is stopped")
    report_to: Literal["none", "tensorboard", "mlflow"] = Field(
        "none",
        description="none, tensorboard or mlflow: the tool to which the course of each training is reported; the "
        "package of the same name has to be installed; TensorBoard's logs are in `MODEL_DIR/tensorboard`",
    )
    model_license: str | None = Field(
        None,
        pattern=MODEL_LICENSE_PATTERN,
        examples=["apache-2.0"],
        description="license of exported models, as the Hub names it, such as apache-2.0",
    )
    model_languages: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="languages of exported models: codes of ISO 639, separated by commas, such as `de,en`"
    )
    redis_url: str | None = Field(
        None,
        pattern=r"^(redis|rediss|unix)://",
        examples=["redis://localhost:6379/0"],
        description="URL of the training queue's Redis, for separate `serve` and `worker` processes; none: "
        "`serve` also runs the queue and the worker",
    )
    redis_url_file: Path | None = Field(None, description="file that contains `REDIS_URL`")
