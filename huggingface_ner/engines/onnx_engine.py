"""ONNX Runtime on the CPU: exports a model, and runs it in float32 or mostly in int8."""

from pathlib import Path

from huggingface_ner.engine_kinds import ROUNDED, EngineKind, Precision
from huggingface_ner.engines.cores import engine_cores
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.hardware import has_fast_int8
from huggingface_ner.engines.layouts import Batch, LogProbabilities, Packed, Padded, log_softmax

# Measured, see bench/README.md: larger batches are no faster, and with them the next request would wait longer.
TOKENS_PER_BATCH = 256


class OnnxEngine:
    """Runs an exported model on the CPU."""

    def __init__(self, path: Path, precision: Precision, pad_id: int) -> None:
        import onnxruntime  # noqa: PLC0415 - not needed if another engine serves

        self.kind = EngineKind("onnx", precision)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = engine_cores()
        options.inter_op_num_threads = 1
        # threads that spin while they wait would take cores from threads that work, such as those of a training
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # batches differ in shape: plans and memory that are kept for each shape would accumulate
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = {put.name for put in self._session.get_inputs()}
        self.layout: Padded | Packed = Packed(pad_id) if names == set(Packed.INPUTS) else Padded(pad_id)

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, the engine should get in one batch."""
        return TOKENS_PER_BATCH

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return the log-probabilities of each window, [its tokens, tags]; the windows are given as token ids."""
        inputs = dict(zip(self.layout.INPUTS, self.layout.lay_out(batch), strict=True))
        (logits,) = self._session.run(None, inputs)
        return self.layout.rows(log_softmax(logits), batch)


class OnnxFamily:
    """Exports a model for each precision."""

    def offers(self, device: str) -> list[EngineKind]:
        """Return the kinds that are likely to be fast on this machine."""
        if device != "cpu":
            return []
        quantized = [EngineKind("onnx", "int8"), EngineKind("onnx", "mixed")] if has_fast_int8() else []
        return [*quantized, EngineKind("onnx", "fp32")]

    def prepare(self, kind: EngineKind, source: EngineSource) -> list[str]:
        """Export the model in the kind's precision."""
        from huggingface_ner.engines.onnx_export import export  # noqa: PLC0415 - it imports torch
        from huggingface_ner.engines.pretrained import load_model  # noqa: PLC0415 - it imports torch

        name = export_name(kind.precision)
        export(load_model(source.name_or_path)[0], source.folder / name, kind.precision, source.windows)
        return [name]

    def load(self, kind: EngineKind, source: EngineSource) -> OnnxEngine:
        """Return an engine that runs an export; this needs no PyTorch."""
        path = source.folder / export_name(kind.precision)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: this export has not been prepared")
        return OnnxEngine(path, kind.precision, source.pad_id)


FAMILY = OnnxFamily()


def export_name(precision: Precision) -> str:
    """Return the name of the file with a model's export.

    Releases 0.1.0 and 0.2.0 measured the ranges of int8 over each batch, so a text's spans depended on the other
    texts. Their files, model.int8.onnx and model.mixed.onnx, are not used; engines are tried again on such models.
    """
    return f"model.static.{precision}.onnx" if precision in ROUNDED else f"model.{precision}.onnx"
