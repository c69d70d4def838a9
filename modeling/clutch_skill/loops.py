"""A loop that numba compiles as one operation of PyTensor.

A graph of array operations costs a tenth of a second of compiling for each of them, and a pass over
memory each time; a loop over players or patterns costs one and none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor import TensorType, as_tensor_variable

import modeling.clutch_skill.quiet  # noqa: F401 - before PyTensor compiles anything

Tensor = Any  # pytensor's own types tell nothing to a checker


class Loop(Op):
    """Floats in, floats out.

    Attributes:
        function: Of arrays; returns a tuple of arrays. No Python objects: numba compiles it.
        dimensions: Of each output.
        version: To be raised with every change of the function: compiled code is kept by it.
    """

    function: ClassVar[Callable[..., Any]]
    dimensions: ClassVar[tuple[int, ...]]
    version: ClassVar[int]

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply[Any]:
        """Put it into a graph."""
        outputs = [TensorType("float64", shape=(None,) * count)() for count in self.dimensions]
        return Apply(self, [as_tensor_variable(each) for each in inputs], outputs)

    def perform(self, node: Apply[Any], inputs: Any, output_storage: Any) -> None:  # noqa: ARG002
        """Run it in Python."""
        for storage, value in zip(output_storage, type(self).function(*inputs), strict=True):
            storage[0] = value

    def of(self, *inputs: Tensor) -> list[Tensor]:
        """Its outputs."""
        outputs: Tensor = self(*inputs, return_list=True)
        return list(outputs)


@register_funcify_default_op_cache_key(Loop)  # type: ignore[untyped-decorator]
def _for_numba(op: Loop, **_: Any) -> tuple[Callable[..., Any], int]:
    # a spread of zero gives infinity or no number, which the sampler knows, instead of an error
    return numba_njit(type(op).function, error_model="numpy"), op.version
