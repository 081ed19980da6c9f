-- Tenants, tokens, detail fields, organizations, customers, products and entitlements.
-- The tenant leads every key. Links between entities use internal numbers, which are never used
-- twice, so that what hangs on a deleted thing can never come back into sight.

CREATE TABLE tenant (
    tenant_id           BIGINT PRIMARY KEY,
    cloud_id            TEXT COLLATE "C"    NOT NULL UNIQUE,
    name                TEXT COLLATE "C"    NOT NULL,
    definitions_stamp   BIGINT  NOT NULL DEFAULT 0,
    created_at          BIGINT  NOT NULL
);

CREATE TABLE counter (
    tenant_id BIGINT NOT NULL,
    name      TEXT COLLATE "C"   NOT NULL,
    next      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE token (
    tenant_id    BIGINT NOT NULL,
    id           TEXT COLLATE "C"   NOT NULL,
    hash         TEXT COLLATE "C"   NOT NULL UNIQUE,
    last4        TEXT COLLATE "C"   NOT NULL,
    name         TEXT COLLATE "C"   NOT NULL,
    role         TEXT COLLATE "C"   NOT NULL,
    scopes       TEXT COLLATE "C"   NOT NULL,
    account      TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE field (
    tenant_id BIGINT NOT NULL,
    id        BIGINT NOT NULL,
    kind      TEXT COLLATE "C"   NOT NULL,
    name      TEXT COLLATE "C"   NOT NULL,
    name_key  TEXT COLLATE "C"   NOT NULL,
    type      TEXT COLLATE "C"   NOT NULL,
    options   TEXT COLLATE "C"   NOT NULL,
    position  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX field_name ON field (tenant_id, kind, name_key);

CREATE TABLE organization (
    tenant_id  BIGINT NOT NULL,
    id         BIGINT NOT NULL,
    name       TEXT COLLATE "C"   NOT NULL,
    name_key   TEXT COLLATE "C"   NOT NULL,
    details    TEXT COLLATE "C"   NOT NULL,
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
);

CREATE TABLE customer (
    tenant_id    BIGINT NOT NULL,
    number       BIGINT NOT NULL,
    id           TEXT COLLATE "C"   NOT NULL,
    email        TEXT COLLATE "C"   NOT NULL,
    email_key    TEXT COLLATE "C"   NOT NULL,
    display_name TEXT COLLATE "C"   NOT NULL,
    details      TEXT COLLATE "C"   NOT NULL,
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
);
CREATE UNIQUE INDEX membership_customer ON membership (tenant_id, customer_number, organization_id);

CREATE TABLE product (
    tenant_id  BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    id         TEXT COLLATE "C"   NOT NULL,
    name       TEXT COLLATE "C"   NOT NULL,
    name_key   TEXT COLLATE "C"   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE UNIQUE INDEX product_id ON product (tenant_id, id);

CREATE TABLE entitlement (
    tenant_id      BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    id             TEXT COLLATE "C"   NOT NULL,
    entity_kind    TEXT COLLATE "C"   NOT NULL,
    entity_number  BIGINT NOT NULL,
    position       BIGINT NOT NULL,
    product_number BIGINT NOT NULL,
    details        TEXT COLLATE "C"   NOT NULL,
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
    kind          TEXT COLLATE "C"   NOT NULL,
    field_id      BIGINT NOT NULL,
    value_key     TEXT COLLATE "C"   NOT NULL,
    entity_number BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, field_id, value_key, entity_number)
);

-- What hung on deleted things and is still to be removed, in batches.
CREATE TABLE sweep (
    tenant_id BIGINT NOT NULL,
    what      TEXT COLLATE "C"   NOT NULL,
    target    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, what, target)
);

-- One row: written to find out whether the database takes writes.
CREATE TABLE probe (
    id         BIGINT PRIMARY KEY,
    written_at BIGINT NOT NULL
);
INSERT INTO probe (id, written_at) VALUES (1, 0);

-- A row while the database is being filled by a copy: until it is whole, no server runs on it.
CREATE TABLE copying (
    id         BIGINT PRIMARY KEY,
    started_at BIGINT NOT NULL
);
