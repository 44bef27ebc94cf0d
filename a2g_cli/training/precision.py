"""Which precision matrix products are computed in: measured where it depends on the CPU.

A CPU with AMX multiplies bfloat16 faster than single precision; one without emulates it, up to a hundred times slower.
"""

import time
from functools import cache

import torch
from torch import Tensor

from a2g_cli.core.errors import UsageError

SIZE = 512
"""Side of the matrices that are multiplied to measure."""
REPEATS = 7
"""The shortest of so many counts: other programs that use the cores lengthen some."""
WORTH = 0.7
"""``auto`` takes bfloat16 on a CPU where a product takes less than this share of the time in single precision ..."""
TOO_SLOW = 2.0
"""... and bfloat16 is refused where it takes more than this many times as long."""


@cache
def bf16_time() -> float:
    """Return how long a matrix product in bfloat16 takes on this CPU, in units of the same one in single precision."""
    exact = torch.ones(SIZE, SIZE)
    rough = exact.bfloat16()
    times = [(_seconds(rough), _seconds(exact)) for _ in range(REPEATS)]  # the first products prepare kernels
    return min(one for one, _ in times) / min(other for _, other in times)


def _seconds(x: Tensor) -> float:
    began = time.perf_counter()
    _ = x @ x
    return time.perf_counter() - began


def chooses_bf16(precision: str, on_gpu: bool, compiled: bool) -> bool:
    """Return whether to compute in bfloat16.

    ``auto``: on a GPU that has it; on a CPU where it is faster and ``compiled``, as conversions cost what it saves otherwise.

    Raises:
        UsageError: bf16 was asked for, and this CPU is much slower in it, or this GPU lacks it.
    """
    if precision == "fp32" or (precision == "auto" and not on_gpu and not compiled):
        return False
    if on_gpu:
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return True
        if precision == "bf16":
            raise UsageError("this GPU has no bfloat16: leave --precision out, which computes in fp32 here.")
        return False
    ratio = bf16_time()
    if precision == "bf16" and ratio > TOO_SLOW:
        raise UsageError(
            f"a matrix product in bf16 takes {ratio:.0f} times as long as in fp32 on this CPU, which has no instructions for "
            "it (AMX): leave --precision out."
        )
    return precision == "bf16" or ratio < WORTH
