"""ONNX Runtime on the CPU: exports a model, quantizes the export, and runs the export or its quantized version."""

from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_ner.engine_kinds import EngineKind, Precision
from huggingface_ner.engines.cores import engine_cores
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.hardware import has_fast_int8
from huggingface_ner.engines.layouts import Batch, LogProbabilities, Packed, Padded, log_softmax

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Measured, see bench/README.md: larger batches are no faster, and with them the next request would wait longer.
TOKENS_PER_BATCH = 256


class OnnxEngine:
    """Runs an exported model on the CPU.

    In int8, the range of activations is measured over a whole batch, so a window's probabilities depend a little
    on the other windows of its batch.
    """

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
    """Exports a model once; int8 and mixed are made from the export in float32."""

    def offers(self, device: str) -> list[EngineKind]:
        """Return the kinds that are likely to be fast on this machine."""
        if device != "cpu":
            return []
        quantized = [EngineKind("onnx", "int8"), EngineKind("onnx", "mixed")] if has_fast_int8() else []
        return [*quantized, EngineKind("onnx", "fp32")]

    def prepare(self, kind: EngineKind, source: EngineSource) -> list[str]:
        """Export the model, and quantize the export if the kind is int8 or mixed."""
        from huggingface_ner.engines.pretrained import load_model  # noqa: PLC0415 - it imports torch

        fp32 = source.folder / _export_name("fp32")
        if not fp32.exists():
            export(load_model(source.name_or_path)[0], fp32)
        if kind.precision != "fp32":
            quantize(fp32, source.folder / _export_name(kind.precision), kind.precision)
        return [_export_name(kind.precision)]

    def load(self, kind: EngineKind, source: EngineSource) -> OnnxEngine:
        """Return an engine that runs an export; this needs no PyTorch."""
        path = source.folder / _export_name(kind.precision)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: this export has not been prepared")
        return OnnxEngine(path, kind.precision, source.pad_id)


FAMILY = OnnxFamily()


def _export_name(precision: Precision) -> str:
    return f"model.{precision}.onnx"


def export(model: "PreTrainedModel", path: Path) -> None:
    """Write a model, which is on the CPU and in float32, as ONNX; raises any exception of torch's exporter.

    The export has the inputs of layouts.Packed if the model can be packed, and those of layouts.Padded if not. Its
    output is the logits, [rows, tokens, tags].
    """
    import torch  # noqa: PLC0415

    from huggingface_ner.engines.plain_model import plain_model, quiet  # noqa: PLC0415 - it imports torch

    # eager, because fused attention is exported as more nodes, such as those for rows that are masked completely
    module, layout = plain_model(model, "eager")
    names = layout.INPUTS
    sizes = {1: torch.export.Dim("tokens")}
    if layout is Padded:
        sizes[0] = torch.export.Dim("windows")
    with quiet():
        torch.onnx.export(
            module,
            tuple(torch.ones((1 if layout is Packed else 2, 8), dtype=torch.int64) for _ in names),
            path,
            dynamo=True,
            input_names=names,
            output_names=["logits"],
            dynamic_shapes=tuple(sizes for _ in names),
            external_data=False,
            verbose=False,
        )


def quantize(exported: Path, path: Path, precision: Precision) -> None:
    """Write an export with its matrix products in int8.

    The weights are scaled by channel, the activations by batch.
    precision: "int8" for all products; "mixed" keeps the lossy ones in float32, see _lossy.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    from huggingface_ner.engines.plain_model import quiet  # noqa: PLC0415 - it imports torch

    with quiet():
        quantize_dynamic(
            exported,
            path,
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_exclude=_lossy(exported) if precision == "mixed" else [],
        )


def _lossy(exported: Path) -> list[str]:
    """Return the names of the products that lose most accuracy by rounding.

    They are the second products of the feed-forward layers in the lower half of the encoder. The inputs of second
    products are spread most widely, and errors in the lower half pass through all layers above.
    """
    import onnx  # noqa: PLC0415

    graph = onnx.load(exported).graph
    shapes = {weights.name: tuple(weights.dims) for weights in graph.initializer}
    products = [
        (node.name, shapes[node.input[1]])
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in shapes
    ]
    narrowing = [name for name, (wide, narrow) in products[:-1] if wide > narrow]  # the last one is the head
    return narrowing[: len(narrowing) // 2]
