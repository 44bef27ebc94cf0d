"""bfloat16 is used where the hardware is faster in it, and refused where it is much slower."""

import pytest
import torch

from a2g_cli.core.errors import UsageError
from a2g_cli.training import precision
from a2g_cli.training.precision import bf16_time, chooses_bf16


def on_a_cpu(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    monkeypatch.setattr(precision, "bf16_time", lambda: ratio)


@pytest.mark.parametrize(
    ("ratio", "asked", "compiled", "bf16"),
    [
        (0.3, "auto", True, True),
        (0.3, "auto", False, False),  # conversions cost what the products save
        (0.9, "auto", True, False),
        (100.0, "auto", True, False),
        (0.3, "fp32", True, False),
        (0.3, "bf16", False, True),
        (1.5, "bf16", False, True),  # slower, but it was asked for
    ],
)
def test_a_cpu_computes_in_bf16_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, ratio: float, asked: str, compiled: bool, bf16: bool
) -> None:
    on_a_cpu(monkeypatch, ratio)
    assert chooses_bf16(asked, on_gpu=False, compiled=compiled) == bf16


def test_bf16_on_a_cpu_that_emulates_it_is_refused_with_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_cpu(monkeypatch, 97.3)
    with pytest.raises(UsageError, match="takes 97 times as long as in fp32"):
        chooses_bf16("bf16", on_gpu=False, compiled=True)


def test_a_gpu_without_bf16_computes_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True, has=has: has)
        assert chooses_bf16("auto", on_gpu=True, compiled=False) == has
    with pytest.raises(UsageError, match="no bfloat16"):
        chooses_bf16("bf16", on_gpu=True, compiled=False)


def test_the_ratio_is_measured_once() -> None:
    assert bf16_time() > 0
    assert bf16_time() == bf16_time()
