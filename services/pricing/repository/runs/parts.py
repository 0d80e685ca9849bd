"""Which parts of runs are asked for: `with` queries that others are put behind."""

OWN = "vendor_id = :vendor_id and mode = :mode"

VERSION = """coalesce(nullif(agent_version, ''), case
            when min(nullif(agent_version, '')) over same = max(nullif(agent_version, '')) over same
            then min(nullif(agent_version, '')) over same end, '')"""
"""What a part without a version, such as an outcome told later, is of: that of its run's parts.

Only where they name one alone; `same` is the window of an agent's parts of a run.
"""

STATUS = "(array_agg(status order by last_at desc, status))[1]"
"""How a run ended: as its latest event did, over all of its parts."""


def parts_of_days(runs: str = "", parts: str = "") -> str:
    """Return `ended`, `asked` and `parts`: of runs whose last event is in one of some windows.

    With more conditions on runs and on parts. Corrected to nothing, a part is no part any more.
    """
    return f"""
    ended as (
        select tenant_id, run_id, max(last_at) as ended_at, {STATUS} as run_status
        from pricing.run_part where {OWN} and last_at >= :since and events > 0 {runs}
        group by tenant_id, run_id
    ), asked as (
        select number - 1 as number, tenant_id, run_id, run_status
        from unnest(cast(:starts as timestamptz[]), cast(:ends as timestamptz[]))
            with ordinality as days (starts, ends, number)
        join ended on ended_at >= starts and ended_at < ends
    ), parts as materialized (
        select row_number() over () as place, number, tenant_id, part_key, run_id, parent_run_id,
            run_status, agent, status, first_at, last_at, events, {VERSION} as version
        from asked join pricing.run_part using (tenant_id, run_id)
        where {OWN} and events > 0 {parts}
        window same as (partition by tenant_id, run_id, agent)
    )
"""  # noqa: S608 - our own names


PARTS_OF_RUNS = f"""
    parts as materialized (
        select row_number() over () as place, tenant_id, part_key, run_id, parent_run_id, agent,
            status, first_at, last_at, events, {VERSION} as version
        from pricing.run_part
        where {OWN} and tenant_id = :tenant_id and run_id = any(cast(:run_ids as text[]))
            and events > 0
        window same as (partition by tenant_id, run_id, agent)
    )
"""  # noqa: S608 - our own names
