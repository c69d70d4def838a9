"""Import before anything of PyMC: what it says of compilers and of its future is not for users.

nutpie compiles with numba. PyTensor's own compiler, g++, is looked for and missed at import, and a
machine without it is told that everything will be slow; nothing here uses it.
"""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("PYTENSOR_FLAGS", "cxx=")
warnings.filterwarnings("ignore", message=r"(?s).*ArviZ is undergoing", category=FutureWarning)
warnings.filterwarnings("ignore", message=r"(?s).*PyTensor could not link to a BLAS")
# it says so of every large sum of products; the sums are right, in two loops instead of one
warnings.filterwarnings("ignore", message=r"(?s).*Loop fusion failed")
# PyTensor 3 has another name for derivatives and still knows the one that both versions have
warnings.filterwarnings("ignore", message=r"(?s).*should implement `pullback`")
