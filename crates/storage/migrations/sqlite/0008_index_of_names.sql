-- Names of organizations in an index of their own, into which they are brought later, as values are into theirs. That no two of a
-- tenant are the same is seen to by the one writer. PostgreSQL, where many write, keeps its unique index.

CREATE TABLE name_index (
    tenant_id       BIGINT NOT NULL,
    name_key        TEXT   NOT NULL,
    organization_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name_key, organization_id)
) WITHOUT ROWID;

INSERT INTO name_index (tenant_id, name_key, organization_id)
    SELECT tenant_id, name_key, id FROM organization ORDER BY tenant_id, name_key, id;
DROP INDEX organization_name;
