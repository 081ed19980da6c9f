-- Entries of detail_index that were decided and are still to be brought in: a row a commit and tenant, as JSON, in the
-- order of the numbers. SQLite's writer brings them in later, many at a time in the order of the index, since an
-- entry by itself changes a page of its own. On PostgreSQL entries are written at once, and there are no rows.

CREATE TABLE detail_pending (
    tenant_id BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    changes   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
