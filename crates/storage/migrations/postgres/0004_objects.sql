-- What connectors push: objects, users, groups and mappings, each of one connection. The row that
-- stands is the one with the greatest sequence number; a deleted one stays as a tombstone for a while.
-- Rows carry the connection's internal number, which is never used twice: when the connection's row is
-- gone, they are out of sight, and are swept later.
-- Ids may be longer than what an index takes: columns called …_key hold them as indexes do, in full where
-- they are short, else their beginning and their digest.

CREATE TABLE connection (
    tenant_id  BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    id         TEXT COLLATE "C"   NOT NULL,
    name       TEXT COLLATE "C"   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE UNIQUE INDEX connection_id ON connection (tenant_id, id);

-- kept_back counts the writes that were accepted and not applied; object_write tells of the last ones.
CREATE TABLE object (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    type              TEXT COLLATE "C"   NOT NULL,
    id_key            TEXT COLLATE "C"   NOT NULL,
    id                TEXT COLLATE "C"   NOT NULL,
    sequence          BIGINT NOT NULL,
    deleted_at        BIGINT,
    display_name      TEXT COLLATE "C"   NOT NULL,
    body              TEXT COLLATE "C"   NOT NULL,
    sensitive         TEXT COLLATE "C",
    digest            TEXT COLLATE "C"   NOT NULL,
    readers           TEXT COLLATE "C"   NOT NULL,
    parent_type       TEXT COLLATE "C",
    parent_key        TEXT COLLATE "C",
    container_type    TEXT COLLATE "C",
    container_key     TEXT COLLATE "C",
    kept_back         BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, type, id_key)
);
CREATE INDEX object_parent ON object (tenant_id, connection_number, parent_type, parent_key, type, id_key)
    WHERE parent_key IS NOT NULL;
CREATE INDEX object_container ON object (tenant_id, connection_number, container_type, container_key, type, id_key)
    WHERE container_key IS NOT NULL;
CREATE INDEX object_deleted ON object (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE object_tag (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    type              TEXT COLLATE "C"   NOT NULL,
    id_key            TEXT COLLATE "C"   NOT NULL,
    tag               TEXT COLLATE "C"   NOT NULL,
    content           TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, type, id_key, tag)
);
CREATE INDEX object_tag_content ON object_tag (tenant_id, connection_number, type, tag, content, id_key);

-- The categories that an object is in, however it says so.
CREATE TABLE object_category (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    type              TEXT COLLATE "C"   NOT NULL,
    id_key            TEXT COLLATE "C"   NOT NULL,
    category_key      TEXT COLLATE "C"   NOT NULL,
    category_id       TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, type, id_key, category_key)
);
CREATE INDEX object_category_category ON object_category (tenant_id, connection_number, category_key, type, id_key);

-- The last writes of an object that were accepted and not applied: a ring of a few slots, by number.
CREATE TABLE object_write (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    type              TEXT COLLATE "C"   NOT NULL,
    id_key            TEXT COLLATE "C"   NOT NULL,
    slot              BIGINT NOT NULL,
    number            BIGINT NOT NULL,
    sequence          BIGINT NOT NULL,
    stored_sequence   BIGINT NOT NULL,
    reason            TEXT COLLATE "C"   NOT NULL,
    written_at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, type, id_key, slot)
);

CREATE TABLE connector_user (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    id_key            TEXT COLLATE "C"   NOT NULL,
    id                TEXT COLLATE "C"   NOT NULL,
    sequence          BIGINT,
    deleted_at        BIGINT,
    body              TEXT COLLATE "C"   NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, id_key)
);
CREATE INDEX connector_user_deleted ON connector_user (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE connector_user_email (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    user_key          TEXT COLLATE "C"   NOT NULL,
    email_key         TEXT COLLATE "C"   NOT NULL,
    user_id           TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, user_key, email_key)
);
CREATE INDEX connector_user_email_key ON connector_user_email (tenant_id, email_key, connection_number, user_key);

CREATE TABLE connector_mapping (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    user_key          TEXT COLLATE "C"   NOT NULL,
    user_id           TEXT COLLATE "C"   NOT NULL,
    sequence          BIGINT NOT NULL,
    deleted_at        BIGINT,
    account           TEXT COLLATE "C",
    email             TEXT COLLATE "C",
    email_key         TEXT COLLATE "C",
    mapped_at         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, user_key)
);
CREATE INDEX connector_mapping_account ON connector_mapping (tenant_id, account, connection_number, user_key)
    WHERE account IS NOT NULL;
CREATE INDEX connector_mapping_email ON connector_mapping (tenant_id, email_key, connection_number, user_key)
    WHERE email_key IS NOT NULL;
CREATE INDEX connector_mapping_deleted ON connector_mapping (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE connector_group (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    id_key            TEXT COLLATE "C"   NOT NULL,
    id                TEXT COLLATE "C"   NOT NULL,
    sequence          BIGINT,
    deleted_at        BIGINT,
    body              TEXT COLLATE "C"   NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, id_key)
);
CREATE INDEX connector_group_deleted ON connector_group (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE connector_member (
    tenant_id         BIGINT NOT NULL,
    connection_number BIGINT NOT NULL,
    group_key         TEXT COLLATE "C"   NOT NULL,
    member_type       TEXT COLLATE "C"   NOT NULL,
    member_key        TEXT COLLATE "C"   NOT NULL,
    group_id          TEXT COLLATE "C"   NOT NULL,
    member_id         TEXT COLLATE "C"   NOT NULL,
    position          BIGINT NOT NULL,
    body              TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (tenant_id, connection_number, group_key, member_type, member_key)
);
CREATE INDEX connector_member_member
    ON connector_member (tenant_id, connection_number, member_type, member_key, group_key);
