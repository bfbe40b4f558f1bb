"""How fast a device multiplies: measured once, kept whole, and what makes of it a utilisation."""

import json
import re
import sysconfig
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from resray.errors import InputError
from resray.results.summary import utilisation
from resray.training import matrix_rate as rates
from resray.training.device import cpu_computes_fp16
from resray.training.matrix_rate import kept_rate, matrix_rate, measure, rate_file
from resray.training.step_choice import check_step
from resray.training.step_features import obstacles, precisions
from tests.training_case import tiny_recipe, trainer_of

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each test's own, and a process that has measured nothing."""
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path))
    matrix_rate.cache_clear()
    return tmp_path / "matrix-rates"


def test_a_rate_is_measured_once_and_kept(cache: Path) -> None:
    state = torch.random.get_rng_state()
    assert kept_rate(CPU, "fp32", 1) is None
    rate = matrix_rate(CPU, "fp32", 1)
    kept = kept_rate(CPU, "fp32", 1)
    assert kept is not None
    assert rate == kept.flops == kept.highest >= kept.lowest > 0
    assert kept.readings >= rates.FEWEST
    assert re.fullmatch(r"fp32 \S+ [GT]FLOP/s \(\S+ to \S+, n = \d+\)", str(kept))
    assert torch.equal(torch.random.get_rng_state(), state), "a training's numbers stay the same"
    matrix_rate.cache_clear()
    file = rate_file(CPU, "fp32", 1)
    file.write_text(json.dumps({**asdict(kept), "flops": 7.0}))
    assert matrix_rate(CPU, "fp32", 1) == 7.0, "what was kept is not measured again"
    assert measure(CPU, "fp32", 1).flops != 7.0
    assert kept_rate(CPU, "fp32", 1) != kept
    assert not list(cache.glob(".*"))


def test_each_precision_and_number_of_threads_has_its_own(cache: Path) -> None:
    keys = [(precision, threads) for precision in ("fp32", "bf16") for threads in (1, 2)]
    names = {rate_file(CPU, *key).name for key in keys}
    assert len(names) == len(keys)
    assert all(torch.__version__ in name for name in names)
    assert {rate_file(CPU, *key).parent for key in keys} == {cache}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"flops": 0}', None])
def test_what_cannot_be_read_is_measured_again(cache: Path, content: str | None) -> None:
    good = measure(CPU, "fp32", 1, seconds=0)
    file = rate_file(CPU, "fp32", 1)
    damaged = json.dumps({**asdict(good), "flops": 0}) if content is None else content
    file.write_text(damaged)
    assert kept_rate(CPU, "fp32", 1) is None
    assert matrix_rate(CPU, "fp32", 1)
    assert kept_rate(CPU, "fp32", 1) is not None


def test_without_a_cache_it_is_measured_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESRAY_CACHE_DIR", "/dev/null/cache")
    assert matrix_rate(CPU, "fp32", 1)
    assert kept_rate(CPU, "fp32", 1) is None


def test_a_device_that_cannot_be_measured_has_no_rate() -> None:
    # As a GPU without the memory: torch raises a RuntimeError.
    assert matrix_rate(torch.device("cuda", 99), "fp32", 1) is None


def test_utilisation_is_training_operations_over_the_rate_of_all_ranks() -> None:
    row = {"multiply_adds": 10**9, "images_per_second": 100.0, "matrix_rate": 1e12, "world_size": 2}
    assert utilisation(row) == pytest.approx(6 * 1e9 * 100 / 2e12)
    for column in row:
        assert utilisation({**row, column: None}) is None
        assert utilisation({key: row[key] for key in row.keys() - {column}}) is None


def test_features_of_this_cpu() -> None:
    found = obstacles(CPU)
    assert found["channels-last"] is None
    assert found["deterministic"] is None
    assert found["captured"] == "a CUDA or ROCm GPU"
    assert set(precisions(CPU)) <= {"fp32", "bf16", "fp16"}


def test_an_older_cpu_has_no_half_precisions(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : avx2 avx512_fp16\n")
    assert cpu_computes_fp16(cpuinfo)
    cpuinfo.write_text("flags : avx2\n")
    assert not cpu_computes_fp16(cpuinfo)


def test_captured_needs_a_gpu() -> None:
    check_step(tiny_recipe(step="captured"), "cuda")
    says = r"^step: captured needs a CUDA or ROCm GPU; this trial runs on the CPU "
    with pytest.raises(InputError, match=says + r"\(use auto, eager or compiled\)$"):
        trainer_of(tiny_recipe(step="captured"))
    with pytest.raises(InputError, match="runs on Apple's MPS"):
        check_step(tiny_recipe(step="captured"), "mps")
    with pytest.raises(InputError, match="needs a single GPU; this trial has 4 "):
        check_step(tiny_recipe(step="captured"), "cuda", 4)
    with pytest.raises(InputError, match="this trial's is fp16 "):
        check_step(tiny_recipe(step="captured", precision="fp16"), "cuda")


def test_compiled_needs_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    says = r"^step: compiled needs a compiler, and there is no {}; this trial runs on {} "
    for device, variable, name in (("cpu", "CXX", "the CPU"), ("cuda", "CC", "a GPU")):
        monkeypatch.setenv(variable, "no-such-compiler")
        with pytest.raises(InputError, match=says.format("no-such-compiler", name)):
            check_step(tiny_recipe(step="compiled"), device)
        (tmp_path / "compiler").touch(mode=0o755)
        monkeypatch.setenv(variable, str(tmp_path / "compiler"))
        if Path(sysconfig.get_paths()["include"], "Python.h").exists():
            check_step(tiny_recipe(step="compiled"), device)
    for step in ("auto", "eager"):
        check_step(tiny_recipe(step=step), "cpu")
