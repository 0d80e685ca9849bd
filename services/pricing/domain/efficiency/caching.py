"""What prompt caches saved, and what they could have.

Saved = reads x (fresh price - read price) - writes x (write price - fresh price), each row at the
prices of its own day and circumstances. Negative where more was written than paid back.

A write pays from so many reads on: (write price - fresh price) / (fresh price - read price). At the
usual multiples (write 1.25 or 2, read 0.1) one that lives 5 minutes pays with its first read, one
that lives an hour with its second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.efficiency.costing import (
    READ,
    UNCACHED,
    WRITE,
    WRITE_KINDS,
    Coster,
    UnpricedKey,
    by_agent_and_model,
    is_input,
    is_usage,
    is_write,
)
from services.pricing.domain.usage import Usage

WRITES_FIRST = (f"{WRITE}_5m", WRITE, *WRITE_KINDS[2:])
"""The price of a write that did not happen: of the shortest life that has one."""


@dataclass(frozen=True)
class CacheTarget:
    """What a better use of the cache would reach: assumptions of whoever asks.

    hit_ratio         share of all input that is read from the cache, 0 to 1 inclusive
    reads_per_write   how often what is written is read, above 0: each write is input, too
    """

    hit_ratio: Fraction
    reads_per_write: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.hit_ratio <= 1 or self.reads_per_write <= 0:
            raise ValueError("a hit ratio is from 0 to 1, reads per write are above 0")


@dataclass(frozen=True)
class CacheUse:
    """The cache of one agent on one model; amounts in US dollars."""

    agent: str
    provider: str
    model: str
    fresh: Fraction
    read: Fraction
    written: Fraction
    saved_by_reads: Fraction
    """What was read, fresh, less what reading it cost."""
    lost_by_writes: Fraction
    """What writing cost above the same input fresh."""
    could_save: Fraction
    """More than `saved`, if the target were reached; 0 where it is, or would cost more."""
    reads_to_pay: Fraction | None
    """Reads of what is written from which on writing pays; None without a write that could."""

    @property
    def saved(self) -> Fraction:
        """What is left of the reads when the writes are paid, below 0 for a loss."""
        return self.saved_by_reads - self.lost_by_writes

    @property
    def hit_ratio(self) -> Fraction | None:
        """Share of all input that was read from the cache; None without input."""
        total = self.fresh + self.read + self.written
        return self.read / total if total > 0 else None

    @property
    def reads_per_write(self) -> Fraction | None:
        """How often what was written was read; None without writes."""
        return self.read / self.written if self.written > 0 else None


@dataclass(frozen=True)
class CacheReport:
    """The cache by agent and model, in that order."""

    uses: tuple[CacheUse, ...]
    unpriced: dict[UnpricedKey, Fraction]

    @property
    def saved(self) -> Fraction:
        """What caching saved in all."""
        return sum((use.saved for use in self.uses), Fraction(0))

    @property
    def could_save(self) -> Fraction:
        """What the target would save beyond that."""
        return sum((use.could_save for use in self.uses), Fraction(0))


def cache_report(rows: Iterable[Usage], prices: ProviderPrices, target: CacheTarget) -> CacheReport:
    """Return what caching saved, and would save at a target. Order of the rows changes nothing."""
    coster = Coster(prices)
    groups = by_agent_and_model(rows, lambda row: is_usage(row) and is_input(row.kind))
    uses = tuple(_use(key, groups[key], coster, target) for key in groups)
    return CacheReport(uses, coster.unpriced)


def _use(
    key: tuple[str, str, str], rows: Sequence[Usage], coster: Coster, target: CacheTarget
) -> CacheUse:
    fresh, read = _sum(rows, UNCACHED), _sum(rows, READ)
    written = sum((row.quantity for row in rows if is_write(row.kind)), Fraction(0))
    reads_saved = sum((_saved(row, coster) for row in rows if row.kind == READ), Fraction(0))
    writes_saved = sum((_saved(row, coster) for row in rows if is_write(row.kind)), Fraction(0))
    wanted = max(target.hit_ratio * (fresh + read + written) - read, Fraction(0))
    reads = min(wanted, fresh * target.reads_per_write / (target.reads_per_write + 1))
    share = reads / fresh if fresh else Fraction(0)
    gains = (_gain(row, share, target, coster) for row in rows if row.kind == UNCACHED)
    could_save = max(sum(gains, Fraction(0)), Fraction(0))
    to_pay = _reads_to_pay([row for row in rows if is_write(row.kind)], coster)
    return CacheUse(*key, fresh, read, written, reads_saved, -writes_saved, could_save, to_pay)


def _saved(row: Usage, coster: Coster) -> Fraction:
    """Return what a row saved against fresh input; 0 where a price is missing: it is listed."""
    if row.kind == UNCACHED or (own := coster.price(row)) is None:
        return Fraction(0)
    fresh = coster.price(row._replace(kind=UNCACHED), of=row)
    return Fraction(0) if fresh is None else row.quantity * (fresh - own)


def _gain(row: Usage, share: Fraction, target: CacheTarget, coster: Coster) -> Fraction:
    """Return what reading a share of a row from the cache would save, less the writes for it.

    0 where its model has no price for reads: it has no cache. Writes without one are fresh input.
    """
    fresh = coster.price(row)
    read = coster.first_price(row, (READ,))
    if fresh is None or read is None:
        return Fraction(0)
    write = coster.first_price(row, WRITES_FIRST)
    dearer = Fraction(0) if write is None else write - fresh
    reads = row.quantity * share
    return reads * (fresh - read) - reads / target.reads_per_write * dearer


def _reads_to_pay(writes: Sequence[Usage], coster: Coster) -> Fraction | None:
    """Return the mean over what was written and has all three prices."""
    written = reads = Fraction(0)
    for row in writes:
        prices = [coster.first_price(row, (kind,)) for kind in (row.kind, UNCACHED, READ)]
        known = [price for price in prices if price is not None]
        if len(known) < len(prices) or known[1] <= known[2]:
            continue
        write, fresh, read = known
        written += row.quantity
        reads += row.quantity * (write - fresh) / (fresh - read)
    return reads / written if written > 0 else None


def _sum(rows: Sequence[Usage], kind: str) -> Fraction:
    return sum((row.quantity for row in rows if row.kind == kind), Fraction(0))
