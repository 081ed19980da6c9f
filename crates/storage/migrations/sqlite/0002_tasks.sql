-- Bulk tasks. A task's row carries its idempotency key, so that key, request and task come and go
-- together. What is still to be done of it stands in task_open, which stays small.

CREATE TABLE task (
    tenant_id       BIGINT NOT NULL,
    id              TEXT   NOT NULL,
    type            TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    fingerprint     TEXT   NOT NULL,
    submitted_by    TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    items           BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    finished_at     BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX task_key ON task (tenant_id, type, idempotency_key);
CREATE INDEX task_finished ON task (finished_at);

CREATE TABLE task_open (
    tenant_id     BIGINT NOT NULL,
    task_id       TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    request       TEXT   NOT NULL,
    next_item     BIGINT NOT NULL,
    careful_until BIGINT NOT NULL,
    crashes       BIGINT NOT NULL,
    lease_owner   TEXT,
    lease_epoch   BIGINT NOT NULL,
    lease_until   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
);

-- One row an item that is done: its primary key is what makes "exactly once" more than a hope.
CREATE TABLE task_item (
    tenant_id BIGINT NOT NULL,
    task_id   TEXT   NOT NULL,
    item      BIGINT NOT NULL,
    outcome   TEXT   NOT NULL,
    entity_id TEXT   NOT NULL,
    failures  TEXT,
    PRIMARY KEY (tenant_id, task_id, item)
) WITHOUT ROWID;
