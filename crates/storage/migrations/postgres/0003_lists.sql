-- Lists by name and by last change. The name of a customer as compared is folded by the program, which
-- fills it for the rows that are there when this is run.

ALTER TABLE customer ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX organization_updated ON organization (tenant_id, updated_at, id);
CREATE INDEX customer_name ON customer (tenant_id, name_key, number);
CREATE INDEX customer_updated ON customer (tenant_id, updated_at, number);
CREATE INDEX product_name ON product (tenant_id, name_key, number);
CREATE INDEX product_updated ON product (tenant_id, updated_at, number);
CREATE INDEX entitlement_updated ON entitlement (tenant_id, updated_at, number);
