-- Tenants, tokens, detail fields, organizations, customers, products and entitlements.
-- The tenant leads every key. Links between entities use internal numbers, which are never used
-- twice, so that what hangs on a deleted thing can never come back into sight.

CREATE TABLE tenant (
    tenant_id           INTEGER PRIMARY KEY,
    cloud_id            TEXT    NOT NULL UNIQUE,
    name                TEXT    NOT NULL,
    definitions_stamp   BIGINT  NOT NULL DEFAULT 0,
    created_at          BIGINT  NOT NULL
);

CREATE TABLE counter (
    tenant_id BIGINT NOT NULL,
    name      TEXT   NOT NULL,
    next      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

CREATE TABLE token (
    tenant_id    BIGINT NOT NULL,
    id           TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    last4        TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,
    account      TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE field (
    tenant_id BIGINT NOT NULL,
    id        BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    name_key  TEXT   NOT NULL,
    type      TEXT   NOT NULL,
    options   TEXT   NOT NULL,
    position  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX field_name ON field (tenant_id, kind, name_key);

CREATE TABLE organization (
    tenant_id  BIGINT NOT NULL,
    id         BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    name_key   TEXT   NOT NULL,
    details    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX organization_name ON organization (tenant_id, name_key);

-- Ids that organizations had: an id is never used twice, given ones included.
CREATE TABLE organization_spent (
    tenant_id BIGINT NOT NULL,
    id        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

CREATE TABLE customer (
    tenant_id    BIGINT NOT NULL,
    number       BIGINT NOT NULL,
    id           TEXT   NOT NULL,
    email        TEXT   NOT NULL,
    email_key    TEXT   NOT NULL,
    display_name TEXT   NOT NULL,
    details      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE UNIQUE INDEX customer_id ON customer (tenant_id, id);
CREATE UNIQUE INDEX customer_email ON customer (tenant_id, email_key);

CREATE TABLE membership (
    tenant_id       BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    position        BIGINT NOT NULL,
    customer_number BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX membership_customer ON membership (tenant_id, customer_number, organization_id);

CREATE TABLE product (
    tenant_id  BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    name_key   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE UNIQUE INDEX product_id ON product (tenant_id, id);

CREATE TABLE entitlement (
    tenant_id      BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    id             TEXT   NOT NULL,
    entity_kind    TEXT   NOT NULL,
    entity_number  BIGINT NOT NULL,
    position       BIGINT NOT NULL,
    product_number BIGINT NOT NULL,
    details        TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE UNIQUE INDEX entitlement_id ON entitlement (tenant_id, id);
CREATE UNIQUE INDEX entitlement_entity ON entitlement (tenant_id, entity_kind, entity_number, position);
CREATE INDEX entitlement_product ON entitlement (tenant_id, product_number, number);

-- One row a stored detail value: searches lead by it, and the sweep of a deleted field finds its
-- holders by it. Kept in the transaction that changes the value.
CREATE TABLE detail_index (
    tenant_id     BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    field_id      BIGINT NOT NULL,
    value_key     TEXT   NOT NULL,
    entity_number BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, field_id, value_key, entity_number)
) WITHOUT ROWID;

-- What hung on deleted things and is still to be removed, in batches.
CREATE TABLE sweep (
    tenant_id BIGINT NOT NULL,
    what      TEXT   NOT NULL,
    target    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, what, target)
) WITHOUT ROWID;

-- One row: written to find out whether the database takes writes.
CREATE TABLE probe (
    id         INTEGER PRIMARY KEY,
    written_at BIGINT NOT NULL
);
INSERT INTO probe (id, written_at) VALUES (1, 0);

-- A row while the database is being filled by a copy: until it is whole, no server runs on it.
CREATE TABLE copying (
    id         INTEGER PRIMARY KEY,
    started_at BIGINT NOT NULL
);
