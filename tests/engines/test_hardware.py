"""What the system says about the hardware."""

from pathlib import Path

import pytest

from huggingface_ner.engines import hardware


def test_the_processors_flags_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
    hardware.processor_flags.cache_clear()
    (tmp_path / "cpuinfo").write_text("model name\t: x\nflags\t\t: fpu avx512_vnni\nbugs: none\n")
    assert (hardware.has_fast_int8(), hardware.has_fast_bf16()) == (True, False)
    hardware.processor_flags.cache_clear()
    (tmp_path / "cpuinfo").write_text("Features\t: asimddp bf16\n")
    assert (hardware.has_fast_int8(), hardware.has_fast_bf16()) == (True, True)
    hardware.processor_flags.cache_clear()


def test_a_gpu_is_asked_for_its_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "processor_flags", frozenset)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *, including_emulation: not including_emulation)
    assert (hardware.has_fast_bf16("cuda"), hardware.has_fast_bf16("cpu")) == (True, False)


def test_cores_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert hardware.cores_for(8) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    assert [hardware.cores_for(workers) for workers in (1, 2, 3, 8, 100)] == [8, 4, 2, 1, 1]
