"""Matrix products in the precision that the settings name; on a CPU, by the library that is fast there.

float32 and float64 products are exact up to the order of sums. tf32 and bfloat16 round what enters a product, forward
and backward, to 10 and 7 bits after the leading one; sums, weights and everything else stay float32. A GPU does
so in its hardware; elsewhere rounding beforehand gives the same up to the order of sums, so accuracy can be studied
anywhere.

Letters: R seeds, learned side by side; M, K, N rows, summed, columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from active_dendrites.settings.choices import choose

# Whether this processor multiplies 16 numbers at a time. PyTorch's usual products, by MKL, take only 8 on one of AMD's;
# oneDNN, which comes with PyTorch too, takes all: 2.2 times as many a second.
# `is_available` has no types in PyTorch.
AVX512 = (
    torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """(M, K) times (K, N) on a CPU, without a gradient; the rows or the columns of each are contiguous."""
    if AVX512 and a.dtype == torch.float32:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.T, None, "none", [], "")
        return product
    return a @ b


def as_tf32(x: Tensor) -> Tensor:
    """float32 numbers to the nearest with 10 bits after the leading one, to even at a tie; still float32.

    The lowest 13 bits go: half of their range, less one unless the lowest bit that stays is set, is added first.
    """
    bits = x.view(torch.int32)
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


def as_bfloat16(x: Tensor) -> Tensor:
    """float32 numbers to the nearest with 7 bits after the leading one, to even at a tie; still float32."""
    return x.bfloat16().float()


def unrounded(x: Tensor) -> Tensor:
    return x


class Products:
    """Batched matrix products in one precision.

    Args:
        precision: as in the settings, numerics.precision.
        on_gpu: whether the hardware rounds.
    """

    def __init__(self, precision: str, on_gpu: bool) -> None:
        self.rounded: Callable[[Tensor], Tensor] = choose(
            "numerics.precision",
            precision,
            float32=unrounded,
            float64=unrounded,
            tf32=unrounded if on_gpu else as_tf32,
            bfloat16=Tensor.bfloat16 if on_gpu else as_bfloat16,
        )
        self.tf32_in_hardware = on_gpu and precision == "tf32"

    def operand(self, x: Tensor) -> Tensor:
        """x as it enters products; made once where several products need it."""
        return self.rounded(x)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """(R, M, K) times (R, K, N), both from `operand`; in float32, or float64 if they are."""
        if a.dtype == torch.bfloat16:
            return torch.bmm(a, b, out_dtype=torch.float32)
        if self.tf32_in_hardware:
            torch.backends.cuda.matmul.allow_tf32 = True
            product = torch.bmm(a, b)
            torch.backends.cuda.matmul.allow_tf32 = False  # for these products alone: contexts are compared exactly
            return product
        if a.is_cpu:
            return torch.stack([multiply(*pair) for pair in zip(a, b, strict=True)])
        return torch.bmm(a, b)
