"""Operations on keys and agents, which the cloud owns."""

from parkgraph.front.bodies import parse, parse_query
from parkgraph.front.contract import Call, CloudPort, Principal
from parkgraph.journal.answers import Told
from parkgraph.model.api import (
    AgentAnswer,
    AgentBody,
    AgentRequest,
    KeyAnswer,
    KeyBody,
    KeyRequest,
    KeysAnswer,
    KeysQuery,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.scopes import SCOPES_OF, Plan


async def create_key(port: CloudPort, call: Call) -> Told:
    """Make an API key.

    The key itself is told once, here. With `replaces` an older one goes on for a while, so that
    nobody is locked out while it is exchanged. Lots hear of it within seconds when they are linked.
    """
    request = parse(KeyRequest, call.content_type, call.body)
    _check(call.principal, request)

    def show(made: tuple[KeyBody, str]) -> KeyAnswer:
        return KeyAnswer(api_key=made[0], key=made[1])

    def show_again(made: tuple[KeyBody, str]) -> KeyAnswer:
        return KeyAnswer(api_key=made[0], key=None)

    return await port.create_key(call.principal, request, call.seal(show, show_again=show_again))


async def list_keys(port: CloudPort, call: Call) -> KeysAnswer:
    """List the API keys that work, without their secrets."""
    query = parse_query(KeysQuery, call.query)
    own = call.principal.fleet
    if own and query.fleet_id not in {None, own}:
        raise CallRefusedError(
            ErrorCode.FORBIDDEN, "this key sees its own fleet only", field="fleet_id"
        )
    return KeysAnswer(api_keys=tuple(await port.keys(query.fleet_id or own)))


async def delete_key(port: CloudPort, call: Call) -> Told:
    """Revoke an API key.

    In the cloud at once, at every lot when it hears of it: within seconds where it is linked. What
    the key booked at a lot before that stands.
    """

    def show(revoked: KeyBody) -> KeyAnswer:
        return KeyAnswer(api_key=revoked, key=None)

    return await port.delete_key(call.principal, call.path["key"], call.seal(show))


async def register_agent(port: CloudPort, call: Call) -> Told:
    """Register an agent: a program that calls for people."""
    request = parse(AgentRequest, call.content_type, call.body)

    def show(agent: AgentBody) -> AgentAnswer:
        return AgentAnswer(agent=agent)

    return await port.register_agent(call.principal, request, call.seal(show))


def _check(principal: Principal, request: KeyRequest) -> None:
    """See that nobody makes a key that may do more than his own.

    Raises:
        CallRefusedError: it would be able to, or its plan does not include its scopes.
    """
    if principal.fleet and request.fleet_id != principal.fleet:
        _forbid(f"this key makes keys of {principal.fleet} only", "fleet_id")
    if principal.fleet and request.requests_per_minute is not None:
        _forbid("ask the operator for higher limits", "requests_per_minute")
    if principal.is_test and not request.test:
        _forbid("a pk_test_ key makes pk_test_ keys only", "test")
    if request.fleet_id and request.plan is Plan.OPERATOR:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST,
            "a fleet has the plan starter or fleet; a key of the operator has no fleet_id",
            field="plan",
        )
    included = SCOPES_OF[request.plan]
    if beyond := sorted(frozenset(request.scopes) - included):
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST,
            f"the plan {request.plan} does not include {', '.join(beyond)}",
            field="scopes",
        )
    if beyond := sorted((frozenset(request.scopes) or included) - principal.scopes):
        _forbid(f"this key may not {', '.join(beyond)} itself", "scopes")


def _forbid(message: str, field: str) -> None:
    raise CallRefusedError(ErrorCode.FORBIDDEN, message, field=field)
