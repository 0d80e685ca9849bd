"""Reading stored objects for several resources: by id, by page."""

from deploy.local.stripe_simulator.errors import missing_object
from deploy.local.stripe_simulator.operations import Call, list_object, public
from deploy.local.stripe_simulator.state import Body, Filter, cursor_of


def get_customer(call: Call, identifier: str, *, param: str = "id", status: int = 404) -> Body:
    """Return a customer that is not deleted."""
    customer = call.find("customer", identifier, param=param, status=status)
    if customer["_deleted"]:
        raise missing_object("customer", identifier, param=param, status=status)
    return customer


def page_of(call: Call, kind: str, url: str, *filters: Filter) -> Body:
    """Return the list object of a type: the page that the request asks for, newest first."""
    data, has_more = call.state.page(call.account, kind, *filters, cursor=cursor_of(call.params))
    return list_object(url, [public(one) for one in data], has_more=has_more)
