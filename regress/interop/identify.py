"""Which row is about which instance: ids and positions of all rows, or why they cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.errors import DataError
from regress.identity import ID_FIELDS, numbered
from regress.interop.rows import headline_filter
from regress.interop.spool import Spool

_ONCE = (
    "An instance is answered once: take repeated rows out, or number several answers with a column "
    "(--map repeat=…)."
)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Identified:
    """Every row's instance, and the rows in the order of the run."""

    ids: pa.Array
    """[rows] ids, in the order of the source."""
    position: Ints
    """[rows] positions in the data set, in the order of the source."""
    headline: Ints
    """[n] numbers of the rows that decide, by position and repeat."""
    others: tuple[Ints, ...]
    """Of every other filter, its rows in the same order."""

    @cached_property
    def placed(self) -> Ints:
        """[n] positions of the rows that decide, ascending."""
        return self.position[self.headline]


def identify(spool: Spool, metric: str) -> Identified:
    """Tell the rows' instances apart.

    Ids are those declared, else the data set's own (the first field of `ID_FIELDS` that every record
    has and that differs between all), else hashes of the question and its choices.

    Args:
        spool: The rows.
        metric: The headline metric, whose filter decides.

    Raises:
        DataError: If ids or positions repeat, are missing here and there, or cannot be told.
    """
    table = _Rows(spool, metric)
    given = table.positions()
    ids = table.declared() or table.own() or table.hashed()
    if ids is None:
        table.refuse_repeated_own()
        raise DataError(
            f"nothing in {table.where(0)} tells which item it is about",
            do="Say which column holds an id (--map id=…) or the question (--map question=…). Rows are never "
            "matched by their place.",
        )
    position = table.by_appearance(ids) if given is None else given
    table.refuse_repeated(position, ids)
    if given is not None:
        ids = table.numbered(ids, given)
    headline, others = table.in_order(position)
    return Identified(ids=ids, position=position, headline=headline, others=others)


class _Rows:
    """The columns that decide which row is which."""

    def __init__(self, spool: Spool, metric: str) -> None:
        self._spool = spool
        self._repeat = spool.column("repeat").to_numpy().astype(np.int64)
        filters = spool.column("filter").combine_chunks().dictionary_encode()
        self._filter = filters.indices.to_numpy().astype(np.int64)
        self._names: list[str] = filters.dictionary.to_pylist()
        decides = headline_filter(metric)
        if decides not in self._names:
            raise DataError(
                f"no row bears what the filter {decides!r} read, which {metric!r} is taken from",
                allowed=", ".join(self._names),
                do="Choose another metric with --metric.",
            )
        self._headline = self._names.index(decides)
        # one row an instance, whatever else is told about it
        self._once = (self._filter == self._headline) & (self._repeat == 0)

    def where(self, row: int) -> str:
        return str(self._spool.column("where")[row].as_py())

    def positions(self) -> Ints | None:
        column = self._spool.column("position")
        if column.null_count == len(column):
            return None
        self._require_all(column, "no position")
        return np.asarray(column.to_numpy(), dtype=np.int64)

    def by_appearance(self, ids: pa.Array) -> Ints:
        """Positions where none are told: in the order in which the ids come."""
        if self._once.all() and _all_differ(ids):
            return np.arange(len(ids), dtype=np.int64)
        codes = ids.dictionary_encode().indices
        return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)

    def declared(self) -> pa.Array | None:
        column = self._spool.column("declared")
        if column.null_count == len(column):
            return None
        self._require_all(column, "no id")
        ids = column.combine_chunks()
        self._refuse_lookalikes(ids)
        return ids

    def own(self) -> pa.Array | None:
        for name in ID_FIELDS:
            values = self._own(name)
            if not values.null_count:
                told = values.filter(pa.array(self._once))
                if _all_differ(told):
                    self._refuse_lookalikes(values)
                    return values
        return None

    def _own(self, name: str) -> pa.Array:
        """What each row's item has in a field; null where it has none."""
        return pc.map_lookup(self._spool.column("own"), name, occurrence="first").combine_chunks()

    def refuse_repeated_own(self) -> None:
        """Where the field that should tell the items apart says the same of two of them."""
        rows = np.flatnonzero(self._once)
        for name in ID_FIELDS:
            values = self._own(name).take(pa.array(rows))
            if values.null_count:
                continue
            codes = values.dictionary_encode().indices.to_numpy()
            _, first = np.unique(codes, return_index=True)
            again = int(np.setdiff1d(np.arange(codes.size), first)[0])
            before = int(np.flatnonzero(codes == codes[again])[0])
            raise DataError(
                f"{self.where(int(rows[before]))} and {self.where(int(rows[again]))} have one {name}, "
                f"{values[again].as_py()!r}",
                do=_ONCE,
            )

    def hashed(self) -> pa.Array | None:
        column = self._spool.column("hashed")
        return None if column.null_count else column.combine_chunks()

    def numbered(self, ids: pa.Array, position: Ints) -> pa.Array:
        """Ids of a data set that really holds one item several times, told apart by their order."""
        rows = np.flatnonzero(self._once)
        rows = rows[np.argsort(position[rows], kind="stable")]
        told = ids.take(pa.array(rows))
        if _all_differ(told):
            return ids
        unique = dict(zip(position[rows].tolist(), numbered(told.to_pylist()), strict=True))
        # a position that only another filter has will be refused for that
        return pa.array([unique.get(one, "") for one in position.tolist()], pa.string())

    def refuse_repeated(self, position: Ints, ids: pa.Array) -> None:
        order = np.lexsort((self._repeat, position, self._filter))
        same = (
            (np.diff(position[order]) == 0)
            & (np.diff(self._repeat[order]) == 0)
            & (np.diff(self._filter[order]) == 0)
        )
        if not same.any():
            return
        first = int(np.flatnonzero(same)[0])
        one, other = sorted((int(order[first]), int(order[first + 1])))
        again = f" ({np.count_nonzero(same)} rows repeat another)" if np.count_nonzero(same) > 1 else ""
        raise DataError(
            f"{self.where(one)} and {self.where(other)} are about one instance, {ids[one].as_py()!r}{again}",
            do=_ONCE,
        )

    def in_order(self, position: Ints) -> tuple[Ints, tuple[Ints, ...]]:
        """The deciding rows by position and repeat, and those of every other filter likewise."""

        def rows_of(code: int) -> Ints:
            rows = np.flatnonzero(self._filter == code)
            return np.asarray(rows[np.lexsort((self._repeat[rows], position[rows]))], dtype=np.int64)

        headline = rows_of(self._headline)
        others = []
        for code, name in enumerate(self._names):
            if code == self._headline:
                continue
            rows = rows_of(code)
            if not (
                np.array_equal(position[rows], position[headline])
                and np.array_equal(self._repeat[rows], self._repeat[headline])
            ):
                raise DataError(
                    f"{headline.size:,} answers were read by the filter {self._names[self._headline]!r} and "
                    f"{rows.size:,} by {name!r}, not the same ones",
                    do="The run seems to be cut off; copy it again.",
                )
            others.append(rows)
        return headline, tuple(others)

    def _require_all(self, column: pa.ChunkedArray, lack: str) -> None:
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise DataError(
                f"{self.where(row)} has {lack}, and other rows have one", do="Give every row one."
            )

    def _refuse_lookalikes(self, ids: pa.Array) -> None:
        """Ids that differ only in white space or in how a character is written."""
        if pc.all(pc.and_(pc.string_is_ascii(ids), pc.invert(pc.match_substring_regex(ids, r"\s")))).as_py():
            return
        unique = ids.unique()
        folded = _folded(unique)
        if pc.count_distinct(folded).as_py() == len(unique):
            return
        seen: dict[str, str] = {}
        for one, plain in zip(unique.to_pylist(), folded.to_pylist(), strict=True):
            if plain in seen:
                raise DataError(
                    f"the ids {seen[plain]!r} and {one!r} differ only in white space or in how a character "
                    "is written",
                    do="Are they one instance? Make them equal, or really different.",
                )
            seen[plain] = one


def _all_differ(ids: pa.Array) -> bool:
    """Sorted, as a hash table of millions of texts takes more memory than they do."""
    ascending = ids.take(pc.sort_indices(ids))
    return not pc.any(pc.equal(ascending[1:], ascending[:-1])).as_py()


def _folded(ids: pa.Array) -> pa.Array:
    """As `regress.identity.normalise` has it, all at once."""
    plain = pc.replace_substring_regex(pc.utf8_normalize(ids, "NFKC"), r"[\s\x{2028}\x{2029}\x{85}]+", " ")
    return pc.utf8_trim_whitespace(plain)
