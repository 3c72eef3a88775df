-- +goose Up
-- What is due, in the order in which it became so. Registries differ in how long
-- manifests stay that nothing needs.
CREATE INDEX gc_blob_queue_due ON gc_blob_queue (review_after);
CREATE INDEX gc_manifest_queue_due ON gc_manifest_queue (registry_id, review_after);
CREATE INDEX gc_objects_due ON gc_objects (delete_after);

-- How many bytes the object takes, where that is known.
ALTER TABLE gc_objects ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
