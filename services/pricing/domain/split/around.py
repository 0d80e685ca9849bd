"""The pipeline of a charge over the parts of a period: the steps of `pipeline.py`, part-aware.

What is for a whole period is the sum of what each part has of it by its days. A minimum or a
commitment that a part lacks is nothing there; a maximum that it lacks does not bound its part.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from services.pricing.domain.bounds import at_least, at_most, discount_fixed, discount_percent
from services.pricing.domain.charges.price import (
    EventPrice,
    FeePrice,
    PartOfQuantity,
    QuantityPrice,
)
from services.pricing.domain.column import Column
from services.pricing.domain.commitment import commit
from services.pricing.domain.conditions import Conditions
from services.pricing.domain.draft import Draft
from services.pricing.domain.included import amounts_by_day, told_holders, without_first
from services.pricing.domain.pipeline import convert_units, read_meter
from services.pricing.domain.pools import Dated, PoolUse, burn
from services.pricing.domain.split.joint import Joint, grown, so_far
from services.pricing.domain.step import FREE_UNITS, MINIMUM, POOL, Step, note
from shared.money import sum_exact

ZERO = Fraction(0)


def count_usage(joint: Joint) -> None:
    """Set what was used, part by part, in the unit of each part's charge."""
    whole = joint.whole
    for piece in joint.pieces:
        convert_units(piece)
        read_meter(piece)
        joint.add(piece, piece.steps)
        piece.steps = []
    whole.unit, whole.billed_unit = joint.pieces[-1].unit, joint.pieces[-1].billed_unit
    whole.groups = tuple(group for piece in joint.pieces for group in piece.groups)
    whole.converted = [units for piece in joint.pieces for units in piece.units]
    whole.all_units = sum_exact(whole.converted)
    whole.meters = tuple(read for piece in joint.pieces for read in piece.meters)
    counts = [piece.quantity for piece in joint.pieces]
    fee = isinstance(whole.charge.price, FeePrice)
    whole.quantity = max(counts) if fee else sum_exact(counts)


def take_free_units(joint: Joint) -> None:
    """Take the free units off the first of what was used."""
    free = sum_exact([c.free_units * share for c, share in joint.conditions])
    if not free:
        return
    used = so_far([piece.billable for piece in joint.pieces])
    left = [quantity - min(free, max(quantity, ZERO)) for quantity in used]
    _set_billable(joint, left)
    if taken := used[-1] - left[-1]:
        joint.whole.add([note(FREE_UNITS, f"{joint.whole.words.count(taken)} free")])


def burn_quantity_pools(joint: Joint) -> None:
    """Take what pools of units hold, in the order of time; block the rest where it is not sold."""
    pools = [pool for pool in joint.pools() if pool.measure == "quantity"]
    if not pools:
        return
    whole, words = joint.whole, joint.whole.words
    billable = so_far([piece.billable for piece in joint.pieces])
    left, uses = [], list[PoolUse]()
    for number, quantity in enumerate(billable, start=1):
        last = number == len(billable)
        balances = whole.balances if last else dict(whole.balances)
        used = _used_by_day(joint, number, quantity)
        uses = burn(pools, used, holding=joint.holding(number), balances=balances)
        left.append(quantity - sum_exact([use.used for use in uses]))
    _set_billable(joint, left)
    whole.pools.extend(uses)
    if any(pool.scope == "per_seat" for pool in pools):
        whole.add(told_holders(piece.readings.seat_days for piece in joint.pieces))
    for use in uses:
        text = f"{words.count(use.used)} from {use.name}, {words.number(use.remaining)} left"
        whole.add([note(POOL, text)])
    _block(joint)


def _used_by_day(joint: Joint, parts: int, billable: Fraction) -> list[Dated]:
    """Return the units of the first parts with their days, less what was free of them."""
    pieces = joint.pieces[:parts]
    used = [
        (row.usage_day, units)
        for piece in pieces
        for row, units in zip(piece.rows, piece.units, strict=True)
    ]
    return without_first(used, sum_exact([units for _, units in used]) - billable)


def _block(joint: Joint) -> None:
    blocked = [p for p in joint.pieces if p.charge.conditions.overage == "block"]
    units = sum_exact([piece.billable for piece in blocked])
    if units > 0:
        for piece in blocked:
            piece.billable = ZERO
        joint.whole.blocked = units
        text = f"{joint.whole.words.count(units)} above it blocked, not billed"
        joint.whole.add([note(POOL, text)])


def _set_billable(joint: Joint, left: list[Fraction]) -> None:
    for piece, quantity in zip(joint.pieces, grown(left), strict=True):
        piece.billable = quantity


def apply_price(joint: Joint) -> None:
    """Price each part by its own version, with what came before it in the period."""
    before = joint.whole.amount
    amounts: list[Column] = []
    for index, piece in enumerate(joint.pieces):
        _price_piece(joint, index)
        joint.add(piece, piece.steps)
        joint.priced.append(joint.whole.amount - before)
        before = joint.whole.amount
        amounts += _amounts_of_groups(piece, joint.priced[-1])
    prices = [piece.charge.price for piece in joint.pieces]
    by_row = any(piece.group_amounts is not None for piece in joint.pieces)
    if by_row or any(price != prices[0] for price in prices):
        # At one price for all, what a row caused is told by its units, as in a period of one part.
        joint.whole.group_amounts = amounts


def _price_piece(joint: Joint, index: int) -> None:
    piece, pieces = joint.pieces[index], joint.pieces
    price, words, situation = piece.charge.price, piece.words, piece.situation
    tiers = pieces[index - 1].situation.tiers_charged if index else 0
    if isinstance(price, FeePrice):
        if situation.period.due:
            piece.add(price.price(situation, words))
    elif isinstance(price, QuantityPrice):
        counted = sum_exact([one.billable for one in pieces[:index]])
        total = sum_exact([one.billable for one in pieces])
        part = PartOfQuantity(counted, piece.billable, total, tiers)
        piece.add(price.price_part(part, words))
        tiers = price.tiers_entered(part)
    elif isinstance(price, EventPrice):
        events = tuple(value for one in pieces[:index] for value in one.events)
        piece.add(price.price_part(events, piece.events, words))
    else:
        level = _level_before(pieces, index)
        situation = replace(situation, level=level, tiers_charged=tiers)
        priced = price.price_rows(piece.groups, situation, words)
        piece.group_amounts = priced.amounts
        piece.add(priced.steps)
        tiers = max(tiers, price.tiers_entered(piece.groups, situation))
    piece.situation = replace(situation, tiers_charged=tiers)


def _level_before(pieces: Sequence[Draft], index: int) -> Fraction:
    """Return the level as a part begins: as it was read, else what earlier parts left of theirs."""
    piece = pieces[index]
    if not index or piece.charge.key in piece.readings.levels:
        return piece.situation.level
    before = pieces[index - 1]
    return before.situation.level + sum_exact([group.total for group in before.groups])


def _amounts_of_groups(piece: Draft, amount: Fraction) -> list[Column]:
    """Return what each row of a part caused of what the part came to."""
    if piece.group_amounts is not None:
        return piece.group_amounts
    weights, total = piece.weights()
    price = amount / total if total else ZERO
    return [column.times(price) for column in weights]


def burn_amount_pools(joint: Joint) -> None:
    """Take what pools of money hold off the price; cap what is above them."""
    whole, words = joint.whole, joint.whole.words
    pools = [pool for pool in joint.pools() if pool.measure == "amount"]
    uses: list[PoolUse] = []
    if pools and whole.charge.usage is not None:
        holding = joint.holding(len(joint.pieces))
        uses = burn(pools, amounts_by_day(whole), holding=holding, balances=whole.balances)
        whole.pools.extend(uses)
        for use in uses:
            text = f"included in {use.name}, {words.money(use.remaining)} left"
            whole.add([Step(POOL, text, -use.used)])
    bounded = [_limit(c, share, pooled=bool(uses)) for c, share in joint.conditions]
    chosen = [limit is not None for limit in bounded]
    if any(chosen):
        limit = sum_exact([limit for limit in bounded if limit is not None])
        above = whole.amount * joint.portion(chosen) - limit
        if above > 0:
            whole.blocked = above
            text = f"above the limit of {words.money(limit)}: blocked, not billed"
            whole.add([Step(POOL, text, -above)])


def _limit(conditions: Conditions, share: Fraction, *, pooled: bool) -> Fraction | None:
    if conditions.on_demand_limit is not None:
        return conditions.on_demand_limit * share
    return ZERO if pooled and conditions.overage == "block" else None


def discount(joint: Joint) -> None:
    """Take off the percentage of each part, then the fixed amounts by days."""
    whole, words = joint.whole, joint.whole.words
    percents = [conditions.discount_percent for conditions, _ in joint.conditions]
    amount = whole.amount
    for percent in dict.fromkeys(percents):
        portion = joint.portion([one == percent for one in percents])
        whole.add(discount_percent(amount * portion, percent, words))
    fixed = sum_exact([c.discount_amount * share for c, share in joint.conditions])
    if fixed:
        whole.add(discount_fixed(whole.amount, fixed, words))


def bound(joint: Joint) -> None:
    """Lower the amount to the maximum, then raise it to the minimum."""
    whole, words = joint.whole, joint.whole.words
    highest = [c.maximum for c, _ in joint.conditions]
    if any(maximum is not None for maximum in highest):
        maximum = sum_exact([c.maximum * s for c, s in joint.conditions if c.maximum is not None])
        portion = joint.portion([one is not None for one in highest])
        whole.add(at_most(whole.amount * portion, maximum, words))
    if any(c.minimum is not None for c, _ in joint.conditions):
        minimum = sum_exact([(c.minimum or ZERO) * share for c, share in joint.conditions])
        whole.add(at_least(whole.amount, minimum, words))


def apply_commitment(joint: Joint) -> None:
    """Charge what is missing to the commitments, or more for what is above them."""
    whole, words = joint.whole, joint.whole.words
    committed, rule = ZERO, None
    for piece in joint.pieces:
        commitment, price = piece.charge.conditions.commitment, piece.charge.price
        if commitment is None:
            continue
        rule, amount = commitment, commitment.amount
        if amount is None and isinstance(price, QuantityPrice):
            amount = price.amount(commitment.quantity or ZERO, words)
        committed += (amount or ZERO) * piece.situation.period.share
    if rule is not None:
        raised = sum_exact([step.amount for step in whole.steps if step.step == MINIMUM])
        used = whole.amount
        whole.add(commit(rule, used, committed=committed, words=words, trued_up=raised))


SPLIT_PIPELINE: tuple[Callable[[Joint], None], ...] = (
    count_usage,
    take_free_units,
    burn_quantity_pools,
    apply_price,
    burn_amount_pools,
    discount,
    bound,
    apply_commitment,
)
"""The order of `pipeline.PIPELINE`, for the reasons given there."""
