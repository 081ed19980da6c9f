-- What seals the cursors of lists of objects: a cursor stands at an object that its reader may not see.
-- Hexadecimal, drawn by the program when a tenant first needs it.

ALTER TABLE tenant ADD COLUMN cursor_secret TEXT COLLATE "C";
