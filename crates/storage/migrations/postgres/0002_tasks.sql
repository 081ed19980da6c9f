-- Bulk tasks. A task's row carries its idempotency key, so that key, request and task come and go
-- together. What is still to be done of it stands in task_open, which stays small.

CREATE TABLE task (
    tenant_id       BIGINT NOT NULL,
    id              TEXT COLLATE "C"   NOT NULL,
    type            TEXT COLLATE "C"   NOT NULL,
    idempotency_key TEXT COLLATE "C"   NOT NULL,
    fingerprint     TEXT COLLATE "C"   NOT NULL,
    submitted_by    TEXT COLLATE "C"   NOT NULL,
    status          TEXT COLLATE "C"   NOT NULL,
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
    task_id       TEXT COLLATE "C"   NOT NULL,
    created_at    BIGINT NOT NULL,
    request       TEXT COLLATE "C"   NOT NULL,
    next_item     BIGINT NOT NULL,
    careful_until BIGINT NOT NULL,
    crashes       BIGINT NOT NULL,
    lease_owner   TEXT COLLATE "C",
    lease_epoch   BIGINT NOT NULL,
    lease_until   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
);

-- One row an item that is done: its primary key is what makes "exactly once" more than a hope.
CREATE TABLE task_item (
    tenant_id BIGINT NOT NULL,
    task_id   TEXT COLLATE "C"   NOT NULL,
    item      BIGINT NOT NULL,
    outcome   TEXT COLLATE "C"   NOT NULL,
    entity_id TEXT COLLATE "C"   NOT NULL,
    failures  TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, task_id, item)
);
