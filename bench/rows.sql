-- Fills the schema of orlopd with what 1,000 repositories of 200 manifests each
-- leave there: manifests of 1 KiB with three blobs of their own, a tag and its
-- history each, one referrer for each tenth. Digests are in no order, as real ones
-- are. Then it says how many bytes each table takes for each of its rows.
\set ON_ERROR_STOP on
\set QUIET on
SET synchronous_commit = off;
SELECT id AS registry FROM registries LIMIT 1 \gset

INSERT INTO repositories (id, registry_id, name, created, updated)
	SELECT i, :registry, 'team-' || i % 50 || '/product-' || i, 1764000000000000, 1764000000000000 FROM generate_series(1, 1000) i;
INSERT INTO blobs (id, registry_id, digest, size, storage_key, sums, created)
	SELECT i, :registry, '\x01'::bytea || sha256(i::text::bytea), 20971520, md5(i::text), decode(repeat(md5(i::text), 5), 'hex'), 1764000000000000
	FROM generate_series(1, 600000) i;
INSERT INTO repository_blobs (repo_id, blob_id, registry_id, linked)
	SELECT 1 + (i / 3) % 1000, i, :registry, 1764000000000000 FROM generate_series(1, 600000) i;
INSERT INTO manifests (id, registry_id, repo_id, digest, media_type, artifact_type, config_type, architecture, os, size, image_size, created, updated)
	SELECT i, :registry, 1 + i % 1000, '\x01'::bytea || sha256(('m' || i)::bytea), 'application/vnd.oci.image.manifest.v1+json', '',
		'application/vnd.oci.image.config.v1+json', 'amd64', 'linux', 1024, 62914560, 1764000000000000 + i, 1764000000000000 + i
	FROM generate_series(1, 200000) i;
INSERT INTO manifest_payloads (manifest_id, registry_id, payload)
	SELECT i, :registry, (SELECT string_agg(sha256((i || '-' || j)::text::bytea), ''::bytea) FROM generate_series(1, 32) j) FROM generate_series(1, 200000) i;
INSERT INTO manifest_blobs (blob_id, manifest_id, registry_id)
	SELECT i, 1 + (i - 1) / 3, :registry FROM generate_series(1, 600000) i;
INSERT INTO tags (repo_id, name, manifest_id, registry_id, version, created, updated)
	SELECT 1 + i % 1000, 'v1.' || i / 1000 || '.' || md5(i::text)::char(8), i, :registry, 1, 1764000000000000 + i, 1764000000000000 + i FROM generate_series(1, 200000) i;
INSERT INTO tag_history (id, registry_id, repo_id, name, new_digest, actor, at)
	SELECT i, :registry, 1 + i % 1000, 'v1.' || i / 1000 || '.' || md5(i::text)::char(8), '\x01'::bytea || sha256(('m' || i)::bytea), 'ci', 1764000000000000 + i
	FROM generate_series(1, 200000) i;
INSERT INTO referrers (repo_id, subject, artifact_type, manifest_id, registry_id, descriptor)
	SELECT 1 + i % 1000, '\x01'::bytea || sha256(('m' || i + 1000)::bytea), 'application/vnd.example.signature.v1', i, :registry,
		convert_to(repeat(md5(i::text), 10), 'UTF8') FROM generate_series(10, 199000, 10) i;
INSERT INTO blob_contents (blob_id, registry_id, content)
	SELECT i, :registry, (SELECT string_agg(sha256((i || '+' || j)::text::bytea), ''::bytea) FROM generate_series(1, 32) j) FROM generate_series(3, 60000, 3) i;
VACUUM ANALYZE;

SELECT relname AS "table", reltuples::bigint AS "rows",
	pg_total_relation_size(oid) / reltuples::bigint AS "bytes a row",
	pg_indexes_size(oid) / reltuples::bigint AS "of them indexes"
FROM pg_class WHERE relkind = 'r' AND reltuples >= 1000 AND relnamespace = 'public'::regnamespace ORDER BY pg_total_relation_size(oid) DESC;
SELECT pg_size_pretty(pg_database_size(current_database())) AS "database", pg_database_size(current_database()) / 200000 AS "bytes a manifest";
