-- An entry of the index of values does not say of which kind its entity is: the field does, which is of one kind, and the
-- index is more than a quarter smaller. Pending entries that say so are read as ever.

CREATE TABLE detail_entry (
    tenant_id     BIGINT NOT NULL,
    field_id      BIGINT NOT NULL,
    value_key     TEXT   NOT NULL,
    entity_number BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, field_id, value_key, entity_number)
) WITHOUT ROWID;

-- By kind first, as the old index has them: kind by kind its entries are in the order of the new one.
INSERT INTO detail_entry (tenant_id, field_id, value_key, entity_number)
    SELECT tenant_id, field_id, value_key, entity_number FROM detail_index
    ORDER BY tenant_id, kind, field_id, value_key, entity_number;
DROP TABLE detail_index;
ALTER TABLE detail_entry RENAME TO detail_index;
