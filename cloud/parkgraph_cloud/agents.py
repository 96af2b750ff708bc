"""Agents: programs that call for people, and made themselves known."""

import sqlite3
from dataclasses import dataclass

from parkgraph.front.contract import Principal
from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.api import AgentBody, AgentRequest
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.records import AgentRegistered


@dataclass(frozen=True, slots=True)
class RegisterAgent:
    """Note an agent."""

    principal: Principal
    request: AgentRequest

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.principal.actor

    def decide(self, _: sqlite3.Connection, moment: Moment) -> Decision[AgentBody]:
        """Return the agent."""
        agent = AgentBody(
            id=new_id("agent", at=moment.at, random=moment.random(RANDOM_BYTES)),
            name=self.request.name,
            purpose=self.request.purpose,
            registered_at=moment.at,
        )
        record = AgentRegistered(agent=agent.id, name=agent.name, purpose=agent.purpose)
        return Decision(agent, [record])
