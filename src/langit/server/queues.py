"""The durable queues, DBOS's: what is put there in a transaction runs once that is committed, whoever dies."""

from __future__ import annotations

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions

from langit.server.database import Database

APPLICATION = "langit"
VERSION = "1"
"""Of the workflows, not of langit: raised only when a workflow that was begun before could not go on after."""

VIDEOS, WEBHOOKS, BATCHES = "videos", "webhooks", "batches"
_WORKFLOWS = {VIDEOS: "make_video", WEBHOOKS: "deliver_webhook", BATCHES: "run_batch"}


class Queues:
    """Adds to the queues from any process; workers take from them."""

    def __init__(self, database: Database) -> None:
        self._client = DBOSClient(
            system_database_engine=database.engine, application_name=APPLICATION, lazy=not database.is_sqlite
        )

    def add(self, connection: sa.Connection, queue: str, identifier: str, delay: float = 0.0) -> None:
        """Queue the work called `identifier` in this transaction; queued twice, it is still done once."""
        options: EnqueueOptions = {
            "workflow_name": workflow_name(queue),
            "queue_name": queue,
            "workflow_id": identifier,
            "app_version": VERSION,
        }
        if delay > 0:
            options["delay_seconds"] = delay
        self._client.enqueue_in_transaction(connection, options, identifier)

    def adopt(self, executor: str) -> int:
        """Queue again what an executor that is gone had begun; the number of pieces of work."""
        begun = self._client.list_workflows(executor_id=executor, status="PENDING", load_input=False, load_output=False)
        for workflow in begun:
            self._client.resume_workflow(workflow.workflow_id, queue_name=workflow.queue_name)
        return len(begun)

    def has_ended(self, identifier: str) -> bool:
        """Whether nobody will do this work any more."""
        found = self._client.list_workflows(workflow_ids=[identifier], load_input=False, load_output=False)
        return not found or found[0].status in ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

    def close(self) -> None:
        self._client.destroy()


def workflow_name(queue: str) -> str:
    return _WORKFLOWS[queue]
