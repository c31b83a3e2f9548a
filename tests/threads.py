"""How many threads Paddle's OpenMP and MKL use, asked of the libraries themselves."""

import ctypes
from pathlib import Path

import paddle


def numbers_of_threads() -> tuple[int, int]:
    """Of OpenMP and of MKL."""
    mkl = ctypes.CDLL(str(Path(paddle.__file__).parent / "libs" / "libmklml_intel.so"))
    return mkl.omp_get_max_threads(), mkl.MKL_Get_Max_Threads()
