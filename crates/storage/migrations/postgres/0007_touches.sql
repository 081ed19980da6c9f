-- What commits changed of what answers are made of, so that every server knows which of the answers that it keeps are out
-- of date: a row a commit and tenant, with the number of its transaction, and the organizations that it changed as a JSON
-- array, or nothing where anything of the tenant may have changed. Rows are removed after some minutes. On SQLite one
-- process makes all the changes and knows them.
-- Not logged, so both tables are empty after a crash, also where one process of the database died and the others recovered:
-- then there is no row with an epoch, and whoever makes a new one, or finds one, trusts nothing that it kept before.

CREATE UNLOGGED TABLE touch (
    tenant_id     BIGINT NOT NULL,
    xid           BIGINT NOT NULL,
    organizations TEXT COLLATE "C"
);
CREATE INDEX touch_xid ON touch (xid);

-- One row. Rows of transactions below the first number may have been removed; those below the second are next.
CREATE UNLOGGED TABLE touch_floor (
    id         BIGINT PRIMARY KEY,
    epoch      TEXT COLLATE "C" NOT NULL,
    removed    BIGINT NOT NULL,
    next       BIGINT NOT NULL,
    removed_at TIMESTAMPTZ NOT NULL
);
