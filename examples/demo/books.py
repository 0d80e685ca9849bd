"""The last step of the demo: the month is reconciled, from its events to Stripe."""

from deploy.local.deployment import Deployment
from deploy.local.stack import Report
from examples.demo import catalog


async def reconcile(deployment: Deployment, report: Report) -> str:
    """Compare events, rollups, statements, invoices and Stripe; a difference ends the story."""
    report("Reconciling November 2023")
    arguments = ("--vendor", catalog.VENDOR, "--month", catalog.CLOSED_THROUGH[:7])
    told = await deployment.control("reconcile", *arguments)
    return told.splitlines()[-1]
