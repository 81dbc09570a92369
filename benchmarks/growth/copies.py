"""The statements that copy one person's rows, a table at a time.

Keys, tokens, names and times are each copy's own; everything else is as the site wrote it. Copy p's sign-in number k
is sign-in k * people + p of the site: everybody's first, then everybody's second, and so on, evenly in time.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.growth.sql import Database

# Tables, and the sign-in with which a row of them, t, came; 0: with the account.
OF_RUN = "(SELECT sign_in_id FROM workflows_run WHERE {})"
TABLES = {
    "django_celery_results_taskresult": OF_RUN.format("id::text = split_part(t.task_id, '.', 1)"),
    "workflows_step": OF_RUN.format("id = t.run_id"),
    "workflows_run": "t.sign_in_id",
    "accounts_signin": "t.id",
    "accounts_device": "t.first_sign_in_id",
    "accounts_notice": "t.sign_in_id",
    "accounts_securityevent": "t.sign_in_id",
    "accounts_verdict": "t.sign_in_id",
    "accounts_user": "0",
    "account_emailaddress": "0",
}
# What does not grow with the sign-ins, or goes by itself.
LEFT_ALONE = {
    *("auth_permission", "cache", "django_content_type", "django_migrations", "django_session"),
    # The site counts it from the sign-ins, when it is first asked to.
    "workflows_period",
}
USER = "accounts_user"
RUN = "workflows_run"
# Of one person's these have many: who signs in all day.
OF_ONE = ("accounts_signin", "accounts_device", "accounts_securityevent")

COLUMNS = """
    SELECT quote_ident(attname), format_type(atttypid, NULL), CASE WHEN attname = 'id' THEN %(table)s ELSE (
        SELECT confrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND conrelid = attrelid AND conkey = ARRAY[attnum]) END
    FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""

# The template: its rows with the number of their sign-in, and their keys in the first copy and from copy to copy.
SIGN_INS = """
    CREATE TABLE template.sign_ins AS
    SELECT id, device_id, extract(epoch FROM created_at)::float AS at, row_number() OVER (ORDER BY id) - 1 AS number
    FROM accounts_signin"""
ROWS = """
    CREATE TABLE template.{table} AS
    SELECT t.*, n.number, count(*) OVER same AS each,
        (rank() OVER (ORDER BY n.number) - 1) * {people} + row_number() OVER (same ORDER BY t.id) AS first
    FROM {table} t, LATERAL (
        SELECT coalesce((SELECT number FROM template.sign_ins WHERE id = {sign_in}), 0) AS number
    ) n
    WINDOW same AS (PARTITION BY n.number)"""

# p is the number of the copy, from 0; t a row of the template; c what else its copy has.
COPY = """
    WITH rows AS MATERIALIZED (
        SELECT t.*{keys}, coalesce(run.id::text, '') AS run_text,
            {begins} + {gap} * {people} * its.number AS at, {begins} + {gap} * {people} * its.number - its.at AS shift,
            {begins} + {gap} * {people} * last.number - last.at AS last_shift
        FROM template.{table} t {joins}
        JOIN template.sign_ins its ON its.number = t.number
        JOIN template.sign_ins last ON last.number = {last}
        LEFT JOIN template.workflows_run run ON run.number = t.number
        WHERE t.number = {number} ORDER BY t.first
    )
    INSERT INTO {table} ({names})
    SELECT {values} FROM generate_series(0, {people} - 1) AS p
    -- It names p, so that the rows of a copy come one after the other.
    CROSS JOIN LATERAL (SELECT * FROM rows WHERE p IS NOT NULL OFFSET 0) AS t
    CROSS JOIN LATERAL (
        SELECT {run_id}::uuid::text AS run_text, make_interval(secs => t.shift + p * {gap}) AS shift,
            make_interval(secs => t.last_shift + p * {gap}) AS last_shift
        OFFSET 0
    ) AS c"""
# As workflows/run_ids.py makes them, but that the same is made for all rows of the run. `at` is that of copy 0.
RUN_ID = (
    "(lpad(to_hex((1000 * (t.at + p * {gap}))::bigint), 12, '0') || '7' || left(md5(t.run_text || p), 3) || 'a' || "
    "right(md5(t.run_text || p), 15))"
)
# The sign-in that moved a row last, where it is not the one with which it came.
LAST = {
    USER: "(SELECT max(number) FROM template.sign_ins)",
    "accounts_device": "(SELECT max(number) FROM template.sign_ins WHERE device_id = t.id)",
}
COOKIE = "CASE t.{0} WHEN '' THEN '' ELSE left(encode(sha256((t.{0} || p)::bytea), 'hex'), length(t.{0})) END"
IN_TEXT = "replace(t.{0}, t.run_text, c.run_text)"
BY_NAME = {
    "username": "'member-' || p + 1",
    "email": "'member-' || p + 1 || '@example.com'",
    "issued_token": COOKIE,
    "presented_token": COOKIE,
    "session_key": COOKIE,
    "assessment_id": "md5(t.{0} || p)::uuid::text",
    "message_id": IN_TEXT,
    "task_id": IN_TEXT,
    "task_args": IN_TEXT,
    "last_login": "t.{0} + c.last_shift",
    "last_seen_at": "t.{0} + c.last_shift",
}
# What one in so many sign-ins has, and no copied one: by table and column, how many, and what.
RARE = {
    ("accounts_verdict", "decision"): (1_000, "'deny'"),
    ("accounts_verdict", "level"): (1_000, "'high'"),
    ("accounts_verdict", "action"): (1_000, "'session_ended'"),
    ("accounts_notice", "state"): (1_000, "'given_up'"),
    ("accounts_device", "untrusted_at"): (1_000, "t.first_seen_at + c.shift"),
    ("accounts_securityevent", "kind"): (1_000, "CASE t.kind WHEN 'signed_in' THEN 'session_ended' ELSE t.kind END"),
    ("workflows_run", "state"): (10_000, "'failed'"),
    ("django_celery_results_taskresult", "status"): (10_000, "'FAILURE'"),
}
BY_TYPE = {"uuid": "md5(t.{0}::text || p)::uuid", "timestamp with time zone": "t.{0} + c.shift"}
AS_IT_IS = "t.{0}"


class NotCopied(Exception):
    """The site writes a table of which nothing here knows."""


@dataclass(frozen=True)
class Site:
    """``people``: as many copies. What the first ``of_one`` of them would have, the first has alone.

    The first sign-in is ``begins`` seconds after 1970, the next ones ``gap`` seconds apart.
    """

    people: int
    of_one: int
    begins: float
    gap: float


@dataclass(frozen=True)
class Column:
    """``refers_to``: the table whose key it is, its own where it is the row's."""

    name: str
    type: str
    refers_to: str | None

    @property
    def is_number_of_a_row(self) -> bool:
        return self.refers_to in TABLES and self.type in ("bigint", "integer")

    def value(self, table: str, site: Site) -> str:
        """What it has in a copy, as SQL."""
        if (table, self.name) in RARE:
            each, rare = RARE[table, self.name]
            return f"CASE mod(t.number * {site.people} + p, {each}) WHEN 1 THEN {rare} ELSE t.{self.name} END"
        if self.refers_to == USER and table in OF_ONE:
            return f"CASE WHEN p < {site.of_one} THEN 1 ELSE p + 1 END"
        if self.refers_to == RUN:
            return "c.run_text::uuid"
        if self.is_number_of_a_row:
            return f"t.{self.name}_first + p * t.{self.name}_each"
        return BY_NAME.get(self.name, BY_TYPE.get(self.type, AS_IT_IS)).format(self.name)


def make_template(database: Database, people: int) -> dict[str, list[Column]]:
    """Set the rows aside that are there; returns the columns of each table. Raises NotCopied."""
    database.execute("CREATE SCHEMA template")
    database.execute(SIGN_INS)
    for table, sign_in in TABLES.items():
        database.execute(ROWS.format(table=table, sign_in=sign_in, people=people))
    _refuse_unknown_tables(database)
    return {table: [Column(*row) for row in database.rows(COLUMNS, {"table": table})] for table in TABLES}


def copy_rows(database: Database, table: str, columns: list[Column], site: Site) -> None:
    """Replace what is in ``table`` by the copies; its sequence goes on behind them."""
    with database.transaction():
        # In the transaction that fills it: then nothing goes to the log ahead (wal_level=minimal).
        database.execute(f"TRUNCATE {table}")
        for (number,) in database.rows(f"SELECT DISTINCT number FROM template.{table} ORDER BY number"):  # noqa: S608
            database.execute(_statement(table, columns, site, number))
    sequence = database.value("SELECT pg_get_serial_sequence(%(table)s, 'id')", {"table": table})
    if sequence:
        database.value(f"SELECT setval('{sequence}', (SELECT max(id) FROM {table}))")  # noqa: S608  names


def _statement(table: str, columns: list[Column], site: Site, number: int) -> str:
    keys = [column for column in columns if column.is_number_of_a_row]
    return COPY.format(
        table=table,
        number=number,
        names=", ".join(column.name for column in columns),
        values=", ".join(column.value(table, site) for column in columns),
        keys="".join(f", {key.name}_.first AS {key.name}_first, {key.name}_.each AS {key.name}_each" for key in keys),
        joins=" ".join(
            f"LEFT JOIN template.{key.refers_to} {key.name}_ ON {key.name}_.id = t.{key.name}" for key in keys
        ),
        last=LAST.get(table, "t.number"),
        people=site.people,
        begins=site.begins,
        gap=site.gap,
        run_id=RUN_ID.format(gap=site.gap),
    )


def _refuse_unknown_tables(database: Database) -> None:
    tables = [name for (name,) in database.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")]
    known = LEFT_ALONE.union(TABLES)
    written = [name for name in tables if name not in known and database.rows(f"SELECT 1 FROM {name} LIMIT 1")]  # noqa: S608
    if written:
        raise NotCopied(", ".join(written))
