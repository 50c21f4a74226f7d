"""The database: SQLite in the data folder, or Postgres by URL; reading, and writing one transaction at a time."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from dbos import DBOS

from langit.server.tables import VERSION, metadata, versions
from langit.types import InputError

Result = TypeVar("Result")
MOST_TOGETHER = 64


class Database:
    """Where the rows are. One for each process; safe for its threads."""

    def __init__(self, url: str, pool: int = 20) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        driver = sa.make_url(url)
        if not self.is_sqlite:
            driver = driver.set(drivername="postgresql+psycopg")
        self.engine = sa.create_engine(driver, pool_size=pool, max_overflow=0, pool_pre_ping=not self.is_sqlite)
        self._turn = threading.Lock()
        self._waiting: deque[_Work] = deque()
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _set_up_sqlite)

    def migrate(self) -> None:
        """Make the tables, ours and DBOS's, that do not exist yet; `InputError` when the database is newer than us."""
        try:
            with self._alone():
                DBOS.migrate(self.url)
                with self.write() as connection:
                    metadata.create_all(connection)
                    found = connection.execute(sa.select(sa.func.max(versions.c.version))).scalar()
                    if found is None:
                        connection.execute(versions.insert().values(version=VERSION))
        except sa.exc.OperationalError as error:
            raise InputError(
                f"The database {self.shown} cannot be used ({str(error.orig).splitlines()[0]}). Check its URL, and that it runs."
            ) from error
        if found is not None and found > VERSION:
            raise InputError(f"The database {self.shown} was made by a newer langit; update this one.")

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return sa.make_url(self.url).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, lasting: bool = True) -> Iterator[sa.Connection]:
        """One transaction. In SQLite it has the database to itself from its first line on.

        What is not `lasting` outlives the process, but a power cut may undo it: it does not wait for SQLite's disk.
        """
        # Threads of one process wait in line here: SQLite's own waiting sleeps up to a tenth of a second at a time.
        with self._turn if self.is_sqlite else _nothing(), self._transaction(lasting) as connection:
            yield connection

    def together(self, work: Callable[[sa.Connection], Result]) -> Result:
        """What `work` returns, done in a transaction; it is on the disk when this returns.

        In SQLite, whoever waits for a turn at the same time shares one transaction, and so one flush to the disk, which takes
        longer than everything else; each has a savepoint of its own. Postgres does that by itself.
        """
        if not self.is_sqlite:
            with self.write() as connection:
                return work(connection)
        mine = _Work(work)
        self._waiting.append(mine)
        with self._turn:
            while not mine.ended.done():
                self._lead()
        result: Result = mine.ended.result()
        return result

    def _lead(self) -> None:
        """Do what waits, the first ones first; for the thread whose turn it is."""
        taken = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
        try:
            with self._transaction() as connection:
                for one in taken:
                    one.do(connection)
        except BaseException as error:
            for one in taken:
                one.ended.set_exception(error)
            return
        for one in taken:
            one.tell()

    @contextmanager
    def _transaction(self, lasting: bool = True) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            if self.is_sqlite:
                cursor = connection.connection.cursor()
                cursor.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
                cursor.close()
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """API and worker start together; only one of them makes the tables."""
        if self.is_sqlite:
            import fcntl

            path = sa.make_url(self.url).database
            assert path is not None
            with open(f"{path}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            return
        # No transaction stays open while one waits: DBOS makes indexes concurrently, which waits for all that are.
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not connection.execute(sa.text("SELECT pg_try_advisory_lock(7026)")).scalar():
                time.sleep(0.1)
            try:
                yield
            finally:
                connection.execute(sa.text("SELECT pg_advisory_unlock(7026)"))

    def close(self) -> None:
        self.engine.dispose()


class _Work:
    """Something to be done in a transaction that is shared, and how it ended."""

    def __init__(self, work: Callable[[sa.Connection], Any]) -> None:
        self._work: Callable[[sa.Connection], Any] = work
        self._result: Any = None
        self._error: Exception | None = None
        self.ended: Future[Any] = Future()

    def do(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            self._result = self._work(connection)
        except Exception as error:
            self._error = error
            connection.exec_driver_sql("ROLLBACK TO one")
        connection.exec_driver_sql("RELEASE one")

    def tell(self) -> None:
        """Once it is committed."""
        if self._error is not None:
            self.ended.set_exception(self._error)
        else:
            self.ended.set_result(self._result)


def database_url(data: Path, configured: str | None) -> str:
    """The URL of the database; `InputError` for one that is neither SQLite nor Postgres."""
    url = configured or os.environ.get("LANGIT_DATABASE_URL") or f"sqlite:///{(data / 'langit.sqlite').resolve()}"
    if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise InputError(
            "A database URL begins with sqlite:/// or postgresql://, for example "
            "postgresql://user:password@host:5432/langit."
        )
    return url.replace("postgres://", "postgresql://", 1)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # what was accepted survives a power cut too
    connection.execute("PRAGMA foreign_keys=ON")
