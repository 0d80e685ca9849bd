"""Trying prices on usage: what would it cost? Nothing is stored."""

from dataclasses import replace
from http import HTTPStatus

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.charges.price import EventPrice
from services.pricing.domain.hashing import content_hash
from services.pricing.domain.meters import MeterReading
from services.pricing.domain.plan import Plan
from services.pricing.domain.readings import Readings
from services.pricing.domain.split.parts import Part
from services.pricing.domain.split.seat_holders import with_seat_holders
from services.pricing.domain.usage import Usage
from services.pricing.handlers.beside_usage import RatedDays, read_beside
from services.pricing.handlers.catalog import read_version
from services.pricing.handlers.meter_readings import MeterLookup, newest_readings
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.statement_message import line_of, unrated_of
from services.pricing.handlers.trial import Trial, rate_aside
from services.pricing.repository import meters, usage
from services.pricing.schemas.evaluation import Evaluation, EvaluationWrite
from services.pricing.schemas.price_book import PLAN_CHARGES_MAX, PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.accounts.repository import Account, read_tenant
from shared.errors import Fault, TallyrollError
from shared.money import format_exact, format_shown

PAST_ROWS_MAX = 50_000
"""Rows of past usage that one request rates."""

ALL_CHARGES = "all"


async def evaluate(
    connection: AsyncConnection, account: Account, written: EvaluationWrite
) -> Evaluation:
    """Rate usage by prices; raises what reading a version, a content or a tenant raises."""
    content, price_hash = await _content(connection, account, written)
    key = _plan_key(content, written.plan)
    plan = content.plan(key)
    assert plan is not None, "a plan of the content"
    _refuse_unread(written, plan)
    trial = Trial(price_hash, content.currency, plan, written.domain_seats(), written.period())
    rows = await _rows(connection, account, written)
    prices = await load_prices(connection, account)
    readings = await _readings(connection, account, written, plan)
    try:
        rated = await rate_aside(trial, rows, prices, readings)
    except ValueError as error:
        raise _refused("events_differ_from_usage", str(error), "events") from error
    watermark = None
    if written.tenant is not None:
        watermark = await usage.read_watermark(connection, account, written.tenant)
    return Evaluation(
        currency=content.currency,
        plan=key,
        start=written.start,
        end=written.end,
        price_hash=price_hash,
        total_exact=format_exact(rated.total),
        total_shown=format_shown(rated.total),
        lines=[line_of(line, content.currency) for line in rated.lines],
        unrated=[unrated_of(row) for row in rated.unrated],
        watermark=watermark,
        input_hash=rated.input_hash,
        rating_hash=rated.rating_hash,
    )


async def _content(
    connection: AsyncConnection, account: Account, written: EvaluationWrite
) -> tuple[PriceBookContent, str]:
    if written.content is None:
        assert written.price_book is not None
        assert written.version is not None
        row = await read_version(connection, account, written.price_book, written.version)
        return PriceBookContent.model_validate(row["content"]), row["content_hash"]
    try:
        content = read_price_book(_with_a_plan(written.content))
    except TallyrollError as error:
        error.faults = [Fault(f.code, f"content.{f.path}", f.message) for f in error.faults]
        raise
    return content, content_hash(content.model_dump(mode="json"))


def _with_a_plan(content: dict[str, object]) -> dict[str, object]:
    """Return a content with a plan of all its charges, where it has no plan of its own."""
    charges = content.get("charges")
    if "plans" in content or not isinstance(charges, list):
        return content
    keys = [charge.get("key") for charge in charges[:PLAN_CHARGES_MAX] if isinstance(charge, dict)]
    plan = {"key": ALL_CHARGES, "name": "All charges", "charges": keys}
    return {**content, "plans": [plan]}


def _plan_key(content: PriceBookContent, named: str | None) -> str:
    keys = [plan.key for plan in content.plans]
    if named is None and len(keys) == 1:
        return keys[0]
    if named not in keys:
        message = f"The prices have the plans {', '.join(keys)}: name one."
        raise _refused("unknown_plan", message, "plan")
    return named


def _refuse_unread(written: EvaluationWrite, plan: Plan) -> None:
    """Refuse events that no charge prices: they would be left out without a word."""
    read = {one.event_kind for one in plan.charges if isinstance(one.price, EventPrice)}
    message = "No charge of the plan prices single events of this kind: give its usage."
    faults = [
        Fault("events_without_price", f"events.{kind}", message)
        for kind in sorted(written.events.keys() - read)
    ]
    if faults:
        message = f"The evaluation has {len(faults)} faults."
        raise TallyrollError("invalid_evaluation", message, faults=faults)


async def _readings(
    connection: AsyncConnection, account: Account, written: EvaluationWrite, plan: Plan
) -> Readings:
    """Return what was given beside usage, and what is read of a tenant where it is needed."""
    readings = await _with_seats_and_levels(connection, account, written, plan)
    if not plan.named_meters and not readings.meters:
        return readings
    known = await meters.read_kinds(connection, account)
    if adding_up := sorted(kind for kind in readings.meters if known.get(kind)):
        message = f"The values of {adding_up[0]} add up: they are usage of that kind."
        raise _refused("meter_adds_up", message, f"meters.{adding_up[0]}")
    given = {row.kind for row in written.usage or ()} | readings.events.keys()
    singles = frozenset(kind for kind in known if not known[kind]) - given
    if written.tenant is not None:
        lookup = MeterLookup(account, singles)
        newest = await newest_readings(connection, lookup, written.tenant, plan, written.period())
    else:
        unknown = MeterReading(None, written.period().last_day, "missing")
        newest = dict.fromkeys(plan.named_meters & singles, unknown)
    return replace(readings, meters={**newest, **readings.meters})


async def _with_seats_and_levels(
    connection: AsyncConnection, account: Account, written: EvaluationWrite, plan: Plan
) -> Readings:
    """Return who used what of seats, and levels; what is given counts before what is known."""
    given, log = written.readings(), written.holder_log()
    leveled = {charge.key for charge in plan.leveled.values()}
    if unknown := sorted(given.levels.keys() - leveled):
        message = f"The plan has no charge {unknown[0]!r} that prices a level."
        raise _refused("unknown_charge", message, f"levels.{unknown[0]}")
    part = Part(written.period(), plan, "", "", written.domain_seats())
    if written.tenant is None:
        if plan.pooled_by_seat:
            (part,) = with_seat_holders([part], log, written.used_by())
    else:
        days = RatedDays(written.tenant, None, [part], log=log)
        ((part,),) = await read_beside(connection, account, [days])
    read = part.readings
    return replace(
        given,
        levels={**read.levels, **given.levels},
        usage_of_seats=read.usage_of_seats,
        seat_days=read.seat_days,
    )


async def _rows(
    connection: AsyncConnection, account: Account, written: EvaluationWrite
) -> list[Usage]:
    if written.tenant is None:
        return [row.to_domain(written.start) for row in written.usage or []]
    await read_tenant(connection, account, written.tenant)
    rows = await usage.read_period(
        connection, account, written.tenant, written.period(), limit=PAST_ROWS_MAX + 1
    )
    if len(rows) > PAST_ROWS_MAX:
        message = f"There are more than {PAST_ROWS_MAX} rows of usage: ask for a shorter period."
        raise _refused("too_much_usage", message, "tenant")
    return rows


def _refused(code: str, message: str, path: str) -> TallyrollError:
    return TallyrollError(
        code, message, HTTPStatus.BAD_REQUEST, faults=[Fault(code, path, message)]
    )
