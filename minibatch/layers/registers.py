"""Vector registers in LLVM's words, for compiled loops that choose themselves what stays in them.

Numba compiles a loop as LLVM sees fit, which for a product of matrices is a third of what the processor can do.
Where that matters, the innermost loop is written with these: a few columns of a matrix as vectors, and a tile of
sums that stay in registers from the first product to the last. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils

_FEATURES = llvm.get_host_cpu_features()
#: The bytes of one vector register: of so many filters, times their size, are the tiles made.
VECTOR = 64 if _FEATURES.get("avx512f") else 32
#: Rows of a tile, at most: so that its sums fit the registers, of which AVX-512 has twice as many.
ROWS = 8 if VECTOR == 64 else 4
#: Whether this processor has such registers, and multiplies and adds in one.
HERE = bool(_FEATURES.get("avx512f") or (_FEATURES.get("avx2") and _FEATURES.get("fma")))
I32, I64 = ir.IntType(32), ir.IntType(64)


class Columns:
    """Vectors of a matrix's columns, from ``f`` on; those beyond the last, F - 1, are neither read nor written."""

    def __init__(self, context: Any, builder: Any, element: Any, vectors: int, f: Any, F: Any) -> None:
        self.builder = builder
        size = element.bitwidth // 8
        self.lanes = VECTOR // size
        self.vector = ir.VectorType(context.get_value_type(element), self.lanes)
        self.columns = range(vectors)
        flags, self.kind = ir.VectorType(ir.IntType(1), self.lanes), f"v{self.lanes}f{8 * size}"
        self._nothing = ir.Constant(self.vector, ir.Undefined)
        parts = [ir.PointerType(), I32, flags]
        self._load = self.function(f"llvm.masked.load.{self.kind}.p0", self.vector, [*parts, self.vector])
        self._store = self.function(f"llvm.masked.store.{self.kind}.p0", ir.VoidType(), [self.vector, *parts])
        self.multiply_add = self.function(f"llvm.fma.{self.kind}", self.vector, [self.vector] * 3)
        numbers = ir.VectorType(I64, self.lanes)
        left = self.everywhere(builder.sub(F, f), numbers)
        self._used = [
            builder.icmp_signed("<", ir.Constant(numbers, [v * self.lanes + i for i in range(self.lanes)]), left)
            for v in self.columns
        ]

    def load(self, address: Any) -> list[Any]:
        """Return the vectors that lie from this address on."""
        return [
            self.builder.call(self._load, [self._from(address, v), I32(4), self._used[v], self._nothing])
            for v in self.columns
        ]

    def store(self, vectors: list[Any], address: Any) -> None:
        """Write vectors from this address on."""
        for v in self.columns:
            self.builder.call(self._store, [vectors[v], self._from(address, v), I32(4), self._used[v]])

    def stream(self, vectors: list[Any], address: Any) -> None:
        """Write whole vectors from this address on, a multiple of their size, past the processor's cache."""
        once = self.builder.module.add_metadata([I32(1)])
        for v in self.columns:
            to = self.builder.bitcast(self._from(address, v), self.vector.as_pointer())
            self.builder.store(vectors[v], to, align=VECTOR).set_metadata("nontemporal", once)

    def at_least(self, vector: Any, least: Any) -> Any:
        """Return a vector with ``least`` in place of what is smaller; NaN stays."""
        floor = self.everywhere(least, self.vector)
        return self.builder.select(self.builder.fcmp_ordered("<", vector, floor), floor, vector)

    def where_above(self, vector: Any, other: Any, least: Any) -> Any:
        """Return a vector where another one is above ``least``, and 0 times it elsewhere; NaN is not above."""
        ones, zeros = (ir.Constant(self.vector, [number] * self.lanes) for number in (1.0, 0.0))
        above = self.builder.fcmp_ordered(">", other, self.everywhere(least, self.vector))
        return self.builder.fmul(vector, self.builder.select(above, ones, zeros))

    def is_not_zero(self, vector: Any) -> Any:
        """Return, for each lane that is used, whether it is not zero; no number is not."""
        other = self.builder.fcmp_unordered("!=", vector, ir.Constant(self.vector, None))
        return self.builder.and_(other, self._used[0])

    def combined(self, factors: list[float], vectors: list[Any]) -> Any:
        """Return the sum of factors times vectors, without what is zero."""
        total: Any = None
        # First those without a product, and positive ones: then nothing is negated that can be subtracted.
        terms = sorted(zip(factors, vectors, strict=True), key=lambda term: (abs(term[0]) != 1, -term[0]))
        for factor, vector in terms:
            if not factor:
                continue
            size = ir.Constant(self.vector, [factor] * self.lanes)
            if total is None:
                total = vector if factor == 1 else self.builder.fmul(vector, size)
            elif abs(factor) == 1:
                total = (self.builder.fadd if factor > 0 else self.builder.fsub)(total, vector)
            else:
                total = self.builder.call(self.multiply_add, [vector, size, total])
        return total

    def everywhere(self, number: Any, vector: Any) -> Any:
        """Return a vector of this type that is ``number`` throughout."""
        nothing = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(nothing, number, I32(0))
        return self.builder.shuffle_vector(
            one, nothing, ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        )

    def function(self, name: str, returned: Any, arguments: list[Any]) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(returned, arguments), name)

    def _from(self, address: Any, v: int) -> Any:
        return self.builder.gep(address, [I64(v * self.lanes)])


class Tile(Columns):
    """The sums of a tile, ``rows`` times ``vectors`` registers, and how to add products to them.

    A long sum rounds more than short ones: the products of a run are added up apart, and then to the total.
    """

    def __init__(self, context: Any, builder: Any, element: Any, rows: int, vectors: int, f: Any, F: Any) -> None:
        super().__init__(context, builder, element, vectors, f, F)
        self.rows = range(rows)
        # LLVM keeps in registers what is stored in variables like these, whose address nobody takes.
        self.sums, self.totals = (
            [[cgutils.alloca_once(builder, self.vector) for _ in self.columns] for _ in self.rows] for _ in range(2)
        )

    def begin(self, row: int, vectors: list[Any] | None = None) -> None:
        """Let a row's totals begin with these vectors, or with zero."""
        for v in self.columns:
            self.builder.store(vectors[v] if vectors else ir.Constant(self.vector, None), self.totals[row][v])

    def begin_run(self) -> None:
        """Let all sums begin with zero."""
        for row in self.rows:
            for v in self.columns:
                self.builder.store(ir.Constant(self.vector, None), self.sums[row][v])

    def add(self, row: int, number: Any, vectors: list[Any]) -> None:
        """Add the number at an address, times these vectors, to a row."""
        factor = self.everywhere(self.builder.load(number), self.vector)
        for v in self.columns:
            total = self.sums[row][v]
            more = self.builder.call(self.multiply_add, [factor, vectors[v], self.builder.load(total)])
            self.builder.store(more, total)

    def end_run(self) -> None:
        """Add all sums to the totals."""
        for row in self.rows:
            for v in self.columns:
                both = [self.builder.load(register[row][v]) for register in (self.totals, self.sums)]
                self.builder.store(self.builder.fadd(*both), self.totals[row][v])

    def write(self, row: int, address: Any, least: Any = None, stream: bool = False) -> None:
        """Write a row's totals from this address on, or ``stream`` them; in place of smaller ones ``least``."""
        totals = [self.builder.load(register) for register in self.totals[row]]
        totals = totals if least is None else [self.at_least(total, least) for total in totals]
        (self.stream if stream else self.store)(totals, address)


def array(context: Any, builder: Any, signature: Any, arguments: Any, k: int) -> Any:
    """Return argument k of an intrinsic, an array."""
    return context.make_array(signature.args[k])(context, builder, arguments[k])


def integer(context: Any, builder: Any, signature: Any, arguments: Any, k: int) -> Any:
    """Return argument k of an intrinsic, an integer, as an index."""
    return context.cast(builder, arguments[k], signature.args[k], types.intp)


def is_given(kind: Any) -> bool:
    """Return whether an argument of an intrinsic is an integer, and not None: so known when it is compiled.

    Raises
    ------
    TypeError
        If it is something else: False would be given, too.
    """
    if not isinstance(kind, types.Integer | types.NoneType):
        raise TypeError(f"expected an integer or None; got {kind}.")
    return isinstance(kind, types.Integer)


def smaller(builder: Any, one: Any, other: Any) -> Any:
    """Return the smaller of two indices."""
    return builder.select(builder.icmp_signed("<", one, other), one, other)
