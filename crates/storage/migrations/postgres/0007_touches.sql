-- What commits changed of what answers are made of, so that every server knows which of the answers that it keeps are out
-- of date: a row a commit and tenant, with the number of its transaction, and the organizations that it changed as a JSON
-- array, or nothing where anything of the tenant may have changed. Rows are removed after some minutes. On SQLite one
-- process makes all the changes and knows them.
-- Not logged: whoever finds that the database was started anew, or is another one, trusts nothing that it keeps.

CREATE UNLOGGED TABLE touch (
    tenant_id     BIGINT NOT NULL,
    xid           BIGINT NOT NULL,
    organizations TEXT COLLATE "C"
);
CREATE INDEX touch_xid ON touch (xid);

-- One row. Rows of transactions below the first number may have been removed; those below the second are next.
CREATE TABLE touch_floor (
    id         BIGINT PRIMARY KEY,
    removed    BIGINT NOT NULL,
    next       BIGINT NOT NULL,
    removed_at TIMESTAMPTZ NOT NULL
);
INSERT INTO touch_floor (id, removed, next, removed_at) VALUES (1, 0, 0, now());
