"""The SQL of the recount, for DuckDB: another way from the events to the sums than the worker's.

Every statement reads the tables `account`, `vector`, `rejected` and `losers` of the connection, and
sources of Parquet rows that the caller puts in.
"""

from services.metering.archive.layout import TOKEN_COLUMNS
from services.metering.repository.publishing import DAILY_DIMENSIONS

POSITION = 'partition, "offset", "index"'
DIMENSIONS = (*(n for n in DAILY_DIMENSIONS if n not in ("kind", "booked_day", "entry")),)
KEY = ("tenant_id", *DIMENSIONS, "entry", "kind")
"""What tells the compared rows apart."""

QUANTITY = "decimal(38, 9)"

TABLES = (
    "create table account (vendor_id varchar, mode varchar, day date)",
    # Counted is what lies below `sealed`; from `late` on, events of earlier days are booked here.
    "create table vector (partition bigint, sealed bigint, late bigint)",
    *(
        f'create table {name} (partition bigint, "offset" bigint, "index" bigint)'
        for name in ("rejected", "losers")
    ),
)

_VALID = """
    {source} r
    join account a on r.vendor_id = a.vendor_id and r.mode = a.mode
    join vector v on r.partition = v.partition and r."offset" < v.sealed
    anti join rejected x
      on r.partition = x.partition and r."offset" = x."offset" and r."index" = x."index"
"""


def versions(source: str) -> str:
    """Return the statement that keeps every revision and correction below the vector."""
    return f"""
        create or replace table versions as
        select r.tenant_id, if(r.corrects = '', r.event_id, r.corrects) as target,
               r."offset" >= v.late or r.usage_day is not distinct from a.day as is_touching
        from {_VALID.format(source=source)}
        where r.revision > 0 or r.corrects <> ''
    """  # noqa: S608 - sources are ours


def special(source: str) -> str:
    """Return the statement that keeps the ids whose versions can change this booked day."""
    return f"""
        create or replace table special as
        select tenant_id, target from versions where is_touching
        union
        select r.tenant_id, r.event_id as target
        from {_VALID.format(source=source)}
        semi join versions s on r.tenant_id = s.tenant_id and r.event_id = s.target
        where r.corrects = '' and (r.usage_day = a.day or r."offset" >= v.late)
    """  # noqa: S608 - sources are ours


def history(source: str) -> str:
    """Return the statement that says what the versions of special ids add and take back.

    A version applies when its revision is above all before it. A correction ahead of its target
    takes effect with it, such ones in the order of their revisions.
    """
    return f"""
        create or replace table steps as
        with arrived as (
            select r.tenant_id, s.target, r.corrects, r.action, r.revision, r.usage_day,
                   r.partition, r."offset", r."index"
            from {_VALID.format(source=source)}
            join special s on r.tenant_id = s.tenant_id
             and s.target = if(r.corrects = '', r.event_id, r.corrects)
        ),
        beginning as (
            select tenant_id, target, min(("offset", "index")) as first_place
            from arrived where corrects = '' group by tenant_id, target
        ),
        ordered as (
            select h.*, f.first_place, (h."offset", h."index") as place,
                   place < f.first_place as is_ahead,
                   if(is_ahead, f.first_place, place) as effective
            from arrived h join beginning f using (tenant_id, target)
            anti join losers l
              on h.partition = l.partition
             and f.first_place[1] = l."offset" and f.first_place[2] = l."index"
        ),
        ranked as (
            select *, row_number() over (
                partition by tenant_id, target
                order by effective, if(place = first_place, 0, 1), if(is_ahead, revision, 0), place
            ) as turn
            from ordered
        ),
        judged as (
            select *, revision > max(revision) over (
                partition by tenant_id, target order by turn
                rows between unbounded preceding and 1 preceding
            ) as is_higher
            from ranked
        ),
        applied as (
            select *, lag("offset") over w as old_offset, lag("index") over w as old_index,
                   lag(usage_day) over w as old_day, lag(action) over w as old_action
            from judged
            where turn = 1 or is_higher
            window w as (partition by tenant_id, target order by turn)
        )
        select partition, "offset", "index", usage_day, 1 as sign,
               if(turn = 1, 'usage', 'correction') as entry, effective[1] as effective
        from applied where action <> 'void'
        union all
        select partition, old_offset, old_index, old_day, -1, 'correction', effective[1]
        from applied where turn > 1 and old_action <> 'void'
    """  # noqa: S608 - sources are ours


BOOKED_STEPS = """
    create or replace table booked_steps as
    select s.partition, s."offset", s."index", s.sign, s.entry
    from steps s join vector v on s.partition = v.partition, account a
    where s.usage_day = a.day or (s.usage_day < a.day and s.effective >= v.late)
"""


def repeats(source: str) -> str:
    """Return the statement that keeps the positions of all but the first event of each id.

    Only ids with equal hashes are compared in full.
    """
    hashed = "hash(r.tenant_id, r.event_id)"
    return f"""
        create or replace table repeats as
        with doubtful as (
            select {hashed} as hashed
            from {_VALID.format(source=source)}
            where r.corrects = ''
            group by 1 having count(*) > 1
        ),
        counted as (
            select r.partition, r."offset", r."index", row_number() over (
                partition by r.tenant_id, r.event_id
                order by r.partition, r."offset", r."index"
            ) as turn
            from {_VALID.format(source=source)}
            semi join doubtful d on {hashed} = d.hashed
            where r.corrects = ''
        )
        select {POSITION} from counted where turn > 1
    """  # noqa: S608 - sources are ours


def _not_in(name: str) -> str:
    return f"""
        anti join {name} on r.partition = {name}.partition
         and r."offset" = {name}."offset" and r."index" = {name}."index"
    """


def selected(source: str, steps_source: str, *, has_special: bool) -> str:
    """Return the query of the rows that are booked in the day, with `sign` and `entry`."""
    lists = ("token_types", "token_counts", "unit_names", "unit_quantities", "is_wide")
    names = ("tenant_id", *DIMENSIONS, *lists, *TOKEN_COLUMNS.values())
    columns = ", ".join(f"r.{name}" for name in names)
    without_special = "anti join special p on r.tenant_id = p.tenant_id and r.event_id = p.target"
    ordinary = f"""
        select {columns}, 1 as sign, 'usage' as entry
        from {_VALID.format(source=source)}
        {without_special if has_special else ""}
        {_not_in("losers")} {_not_in("repeats")}
        where r.corrects = ''
          and (r.usage_day = a.day or (r.usage_day < a.day and r."offset" >= v.late))
    """  # noqa: S608 - sources are ours
    if not has_special:
        return ordinary
    return f"""
        {ordinary}
        union all
        select {columns}, b.sign, b.entry
        from {steps_source} r join booked_steps b
          on r.partition = b.partition and r."offset" = b."offset" and r."index" = b."index"
    """  # noqa: S608 - sources are ours


def wide_sums(rows: str) -> str:
    """Return the statement that sums the token columns, and tells what else is to be summed."""
    sums = ",\n".join(
        f"sum(sign * {column}) as sum_{kind}, "
        f"sum(sign) filter ({column} is not null) as events_{kind}, "
        f"count({column}) as seen_{kind}"
        for kind, column in TOKEN_COLUMNS.items()
    )
    keys = ", ".join(("tenant_id", *DIMENSIONS, "entry"))
    return f"""
        create or replace table wide_sums as
        select {keys}, {sums}, sum(sign) as events,
               bool_or(not is_wide) as has_lists, bool_or(len(unit_names) > 0) as has_units
        from ({rows}) group by {keys}
    """  # noqa: S608 - sources are ours


def narrow_sums(rows: str, *, lists: bool, units: bool) -> str:
    """Return the statement of the sums by kind: from the columns, and from lists where needed."""
    keys = ", ".join(("tenant_id", *DIMENSIONS, "entry"))
    parts = [
        f"""
        select {keys}, '{kind}' as kind, cast(sum_{kind} as {QUANTITY}) as quantity,
               events_{kind} as events
        from wide_sums where seen_{kind} > 0
        """  # noqa: S608 - our own names
        for kind in TOKEN_COLUMNS
    ]
    unfolded = []
    if lists:
        unfolded.append(("token_types", "token_counts", "not is_wide"))
    if units:
        unfolded.append(("unit_names", "unit_quantities", "len(unit_names) > 0"))
    parts += [
        f"""
        select {keys}, pair[1] as kind, sign * cast(pair[2] as {QUANTITY}) as quantity,
               sign as events
        from (
            select {keys}, sign, unnest(list_zip({names}, {values})) as pair
            from ({rows}) where {condition}
        )
        """  # noqa: S608 - our own names
        for names, values, condition in unfolded
    ]
    return f"""
        create or replace table recounted as
        select {keys}, kind, cast(sum(quantity) as {QUANTITY}) as quantity,
               cast(sum(events) as bigint) as events
        from ({" union all ".join(parts)}) group by {keys}, kind
    """  # noqa: S608 - our own names


def differences() -> str:
    """Return the statement of all rows in which the two ways do not agree."""
    keys = ", ".join(KEY)
    return f"""
        create or replace table differences as
        select {keys}, coalesce(b.quantity, 0) as counted, coalesce(r.quantity, 0) as recounted,
               coalesce(b.events, 0) as counted_events, coalesce(r.events, 0) as recounted_events
        from booked b full join recounted r using ({keys})
        where coalesce(b.quantity, 0) <> coalesce(r.quantity, 0)
           or coalesce(b.events, 0) <> coalesce(r.events, 0)
    """  # noqa: S608 - our own names
