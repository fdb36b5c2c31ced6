"""OpenVINO on the CPU: converts a model, and runs it in float32, in bfloat16 or mostly in int8."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_ner.engine_kinds import ROUNDED, EngineKind, Precision
from huggingface_ner.engines.cores import engine_cores
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.hardware import has_x86_bf16, has_x86_int8
from huggingface_ner.engines.layouts import Batch, LogProbabilities, Packed, Padded, log_softmax

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Measured, see bench/README.md: larger batches are no faster, and with them the next request would wait longer.
TOKENS_PER_BATCH = 256
# The width of rows is a multiple of this, because OpenVINO keeps kernels for each shape.
WIDTH_MULTIPLE = 16

# Where a converted model says how many tokens it reads at once.
_WINDOW_LENGTH = ["huggingface_ner", "window_length"]


class OpenvinoEngine:
    """Runs a converted model on the CPU.

    Layers that were rounded are computed in int8. The other layers of such a model are computed in bfloat16 if the
    processor has it.
    """

    def __init__(self, path: Path, precision: Precision, pad_id: int) -> None:
        import openvino  # noqa: PLC0415 - torch serves without it

        self.kind = EngineKind("openvino", precision)
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" or not has_x86_bf16() else "bf16",
            "INFERENCE_NUM_THREADS": engine_cores(),
            "NUM_STREAMS": 1,
            # pinned threads of several processes, such as a server's and a training's, could share one core
            "ENABLE_CPU_PINNING": False,
        }
        core = openvino.Core()
        model = core.read_model(path)
        self._request = core.compile_model(model, "CPU", options).create_infer_request()
        is_packed = {port.any_name for port in model.inputs} == set(Packed.INPUTS)
        max_width = int(model.get_rt_info(_WINDOW_LENGTH).value)
        self.layout: Padded | Packed = (
            Packed(pad_id, WIDTH_MULTIPLE) if is_packed else Padded(pad_id, WIDTH_MULTIPLE, max_width=max_width)
        )

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, the engine should get in one batch."""
        return TOKENS_PER_BATCH

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return the log-probabilities of each window, [its tokens, tags]; the windows are given as token ids."""
        inputs = dict(zip(self.layout.INPUTS, self.layout.lay_out(batch), strict=True))
        return self.layout.rows(log_softmax(self._request.infer(inputs, share_inputs=True)[0]), batch)


class OpenvinoFamily:
    """Converts a model for each precision, except that float32 and bfloat16 share a conversion.

    These two precisions differ only in how the conversion is loaded.
    """

    def offers(self, device: str) -> list[EngineKind]:
        """Return the kinds that are likely to be fast on this machine."""
        if device != "cpu":
            return []
        # on ARM processors, OpenVINO computes in float32 even if bfloat16 is requested, and gains little from int8
        int8 = [EngineKind("openvino", "int8"), EngineKind("openvino", "mixed")] if has_x86_int8() else []
        half = [EngineKind("openvino", "bf16")] if has_x86_bf16() else []
        return [*int8, *half, EngineKind("openvino", "fp32")]

    def prepare(self, kind: EngineKind, source: EngineSource) -> list[str]:
        """Convert the model, unless another kind has done so."""
        from huggingface_ner.engines.pretrained import load_model  # noqa: PLC0415 - it imports torch

        names = _files(kind.precision)
        if not (source.folder / names[0]).exists():
            model = load_model(source.name_or_path)[0]
            convert(model, source.folder / names[0], kind.precision, source.windows)
        return [*names]

    def load(self, kind: EngineKind, source: EngineSource) -> OpenvinoEngine:
        """Return an engine that runs the conversion; this needs no PyTorch."""
        paths = [source.folder / name for name in _files(kind.precision)]
        for path in paths:
            if not path.is_file():
                raise FileNotFoundError(f"{path}: the model has not been converted")
        return OpenvinoEngine(paths[0], kind.precision, source.pad_id)


FAMILY = OpenvinoFamily()


def _files(precision: Precision) -> tuple[str, str]:
    name = f"model.openvino.{precision}" if precision in ROUNDED else "model.openvino"
    return f"{name}.xml", f"{name}.bin"


def convert(model: "PreTrainedModel", path: Path, precision: Precision = "fp32", windows: Batch = ()) -> None:
    """Write a model, which is on the CPU and in float32, as an .xml and a .bin file for OpenVINO.

    precision: for int8 and mixed, the model's layers are rounded. The other precisions are chosen when the model
    is loaded.
    windows: token ids of texts on which the ranges for rounding are measured, see static_int8.

    The inputs are those of layouts.Packed if the model can be packed, and those of layouts.Padded if not. The
    output is the logits, [rows, tokens, tags]. Raises any exception of torch or OpenVINO if the model cannot be
    converted.
    """
    import openvino  # noqa: PLC0415
    import torch  # noqa: PLC0415

    from huggingface_ner.engines.plain_model import plain_model, quiet  # noqa: PLC0415 - it imports torch
    from huggingface_ner.engines.positions import window_length  # noqa: PLC0415 - it imports torch
    from huggingface_ner.engines.static_int8 import round_layers  # noqa: PLC0415 - it imports torch

    # The attention is not exchanged for a simpler one: OpenVINO makes its fused attention of it, which is faster.
    module, layout = plain_model(model, model.config._attn_implementation)
    if precision in ROUNDED:
        round_layers(model, windows, keep_lossy=precision == "mixed")
    rows, example_rows = (1, 1) if layout is Packed else (-1, 2)
    shape = openvino.PartialShape([rows, -1])
    with quiet():
        converted = openvino.convert_model(
            module,
            example_input={name: torch.ones((example_rows, 8), dtype=torch.int64) for name in layout.INPUTS},
            input=[(name, shape, openvino.Type.i64) for name in layout.INPUTS],
        )
    for port, name in zip(converted.inputs, layout.INPUTS, strict=True):
        port.get_tensor().set_names({name})
    converted.set_rt_info(str(window_length(model)), _WINDOW_LENGTH)
    openvino.save_model(converted, path, compress_to_fp16=False)
