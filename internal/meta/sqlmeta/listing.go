package sqlmeta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// maxReferrersPage bounds a page of referrers, in bytes: clients read metadata
// up to 4 MiB.
const maxReferrersPage = 3 << 20

// Referrers returns the descriptors, as JSON separated by commas, of at most n
// manifests whose subject is d, after the position after, and the position to
// go on from, "" at the end, without those that must not be listed.
// artifactType "" means any.
func (db *DB) Referrers(ctx context.Context, registry int64, repo string, d digest.Digest, artifactType, after string, n int) (list []byte, next string, err error) {
	subject, err := packDigest(d)
	if err != nil {
		return nil, "", err
	}
	fromType, fromID, err := parsePosition(after)
	if err != nil {
		return nil, "", err
	}
	query := `SELECT descriptor, artifact_type, manifest_id FROM referrers
		WHERE repo_id = (SELECT id FROM repositories WHERE registry_id = $1 AND name = $2) AND subject = $3
			AND (artifact_type, manifest_id) > ($4, $5) AND NOT hidden`
	args := []any{registry, repo, subject, fromType, fromID, n + 1}
	if artifactType != "" {
		query += ` AND artifact_type = $7`
		args = append(args, artifactType)
	}
	rows, err := db.rows(ctx, query+` ORDER BY artifact_type, manifest_id LIMIT $6`, args...)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	var descriptor, typ sql.RawBytes
	var last struct {
		id  int64
		typ string
	}
	for i := 0; rows.Next(); i++ {
		var id int64
		if err := rows.Scan(&descriptor, &typ, &id); err != nil {
			return nil, "", explain(err)
		}
		if i == n || i > 0 && len(list)+len(descriptor) > maxReferrersPage {
			return list, strconv.FormatInt(last.id, 10) + "." + last.typ, nil
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, descriptor...)
		if last.id = id; last.typ != string(typ) {
			last.typ = string(typ)
		}
	}
	return list, "", explain(rows.Err())
}

// parsePosition reads a position in a list of referrers: id.artifactType.
func parsePosition(after string) (artifactType string, id int64, err error) {
	if after == "" {
		return "", 0, nil
	}
	number, artifactType, ok := strings.Cut(after, ".")
	id, err = strconv.ParseInt(number, 10, 64)
	if err != nil || !ok {
		return "", 0, fmt.Errorf("%w: position %q in a list of referrers", ErrNotFound, after)
	}
	return artifactType, id, nil
}

const tagColumns = `t.name, m.digest, t.created, t.updated, t.locks`

func scanTag(scan func(...any) error) (meta.TagInfo, error) {
	var info meta.TagInfo
	var dgst []byte
	var created, updated int64
	err := scan(&info.Name, &dgst, &created, &updated, &info.Locks)
	info.Digest, info.Created, info.Updated = unpackDigest(dgst), moment(created), moment(updated)
	return info, err
}

// TagInfo describes a tag; ErrNotFound if it is absent.
func (db *DB) TagInfo(ctx context.Context, registry int64, repo, tag string) (meta.TagInfo, error) {
	return scanTag(db.row(ctx, `SELECT `+tagColumns+` FROM repositories r
		JOIN tags t ON t.repo_id = r.id AND t.name = $3 JOIN manifests m ON m.id = t.manifest_id
		WHERE r.registry_id = $1 AND r.name = $2`, registry, repo, tag).Scan)
}

// TagInfos lists tags; see meta.TagQuery.
func (db *DB) TagInfos(ctx context.Context, registry int64, repo string, q meta.TagQuery) ([]meta.TagInfo, error) {
	repoID, err := db.repositoryID(ctx, registry, repo)
	if err != nil {
		return nil, err
	}
	query := `SELECT ` + tagColumns + ` FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repo_id = $1 AND t.locks & 8 = 0`
	args := []any{repoID, q.N}
	if q.Digest != "" {
		dgst, err := packDigest(q.Digest)
		if err != nil {
			return nil, err
		}
		args = append(args, dgst)
		query += fmt.Sprintf(` AND t.manifest_id = (SELECT id FROM manifests WHERE repo_id = $1 AND digest = $%d)`, len(args))
	}
	column, order, past := ordering(q.Order, "t.updated", "t.name")
	if q.After != "" {
		cond := `t.name > $%d`
		if q.Order != meta.ByName {
			at, err := db.tagTime(ctx, repoID, q.After)
			if err != nil {
				return nil, err
			}
			args = append(args, at)
			cond = fmt.Sprintf(`(t.updated, t.name) %s ($%d, $%%d)`, past, len(args))
		}
		args = append(args, q.After)
		query += ` AND ` + fmt.Sprintf(cond, len(args))
	}
	return list(db, ctx, scanTag, query+` ORDER BY `+column+order+` LIMIT $2`, args...)
}

// ordering gives the ORDER BY columns and direction of an order, and the
// comparison that goes on after a row.
func ordering(o meta.Order, time, name string) (columns, direction, past string) {
	switch o {
	case meta.NewestFirst:
		return time + " DESC, " + name, " DESC", "<"
	case meta.OldestFirst:
		return time + ", " + name, "", ">"
	default:
		return name, "", ">"
	}
}

// tagTime is the time of the last change of a tag, also of one that has been
// removed since: clients remove tags while they page through them.
func (db *DB) tagTime(ctx context.Context, repo int64, tag string) (int64, error) {
	var at int64
	err := db.row(ctx, `SELECT coalesce(
		(SELECT updated FROM tags WHERE repo_id = $1 AND name = $2),
		(SELECT coalesce(changed, at) FROM tag_history WHERE repo_id = $1 AND name = $2
			AND (changed IS NOT NULL OR new_digest IS NOT NULL) ORDER BY id DESC LIMIT 1),
		0)`, repo, tag).Scan(&at)
	return at, err
}

func (db *DB) repositoryID(ctx context.Context, registry int64, name string) (int64, error) {
	var id int64
	err := db.row(ctx, `SELECT id FROM repositories WHERE registry_id = $1 AND name = $2`, registry, name).Scan(&id)
	return id, err
}

const manifestColumns = `m.digest, m.media_type, m.config_type, m.artifact_type, m.size, m.image_size, m.architecture, m.os,
	(SELECT string_agg(name, ' ' ORDER BY name) FROM tags WHERE manifest_id = m.id), m.created, m.updated, m.locks`

func scanManifest(scan func(...any) error) (meta.ManifestInfo, error) {
	var info meta.ManifestInfo
	var dgst []byte
	var tags *string
	var created, updated int64
	err := scan(&dgst, &info.MediaType, &info.ConfigType, &info.ArtifactType, &info.Size, &info.ImageSize,
		&info.Architecture, &info.OS, &tags, &created, &updated, &info.Locks)
	info.Digest, info.Tags = unpackDigest(dgst), fields(tags)
	info.Created, info.Updated = moment(created), moment(updated)
	return info, err
}

// ManifestInfo describes a manifest; ErrNotFound if it is absent.
func (db *DB) ManifestInfo(ctx context.Context, registry int64, repo string, d digest.Digest) (meta.ManifestInfo, error) {
	dgst, err := packDigest(d)
	if err != nil {
		return meta.ManifestInfo{}, err
	}
	return scanManifest(db.row(ctx, `SELECT `+manifestColumns+` FROM repositories r
		JOIN manifests m ON m.repo_id = r.id AND m.digest = $3
		WHERE r.registry_id = $1 AND r.name = $2`, registry, repo, dgst).Scan)
}

// ManifestInfos lists manifests; see meta.ManifestQuery. In an order by time,
// a manifest to go on after that is gone for good starts the list again.
func (db *DB) ManifestInfos(ctx context.Context, registry int64, repo string, q meta.ManifestQuery) ([]meta.ManifestInfo, error) {
	repoID, err := db.repositoryID(ctx, registry, repo)
	if err != nil {
		return nil, err
	}
	query := `SELECT ` + manifestColumns + ` FROM manifests m WHERE m.repo_id = $1 AND m.locks & 8 = 0`
	args := []any{repoID, q.N}
	name := "m.digest"
	if q.Order != meta.ByName {
		name = "m.id"
	}
	column, order, past := ordering(q.Order, "m.updated", name)
	if q.After != "" {
		dgst, err := packDigest(digest.Digest(q.After))
		if err != nil {
			return nil, err
		}
		cond, more, err := db.afterManifest(ctx, registry, repo, dgst, q.Order, past)
		if err != nil {
			return nil, err
		}
		query, args = query+cond, append(args, more...)
	}
	return list(db, ctx, scanManifest, query+` ORDER BY `+column+order+` LIMIT $2`, args...)
}

// afterManifest gives the condition, with arguments from $3 on, that goes on
// after a manifest, also after one that was deleted and can be restored.
func (db *DB) afterManifest(ctx context.Context, registry int64, repo string, dgst []byte, o meta.Order, past string) (string, []any, error) {
	if o == meta.ByName {
		return ` AND m.digest > $3`, []any{dgst}, nil
	}
	var updated, id int64
	err := db.row(ctx, `SELECT m.updated, m.id FROM repositories r JOIN manifests m ON m.repo_id = r.id
			WHERE r.registry_id = $1 AND r.name = $2 AND m.digest = $3
		UNION ALL SELECT updated, id FROM deleted_manifests WHERE registry_id = $1 AND repo = $2 AND digest = $3
		LIMIT 1`, registry, repo, dgst).Scan(&updated, &id)
	if errors.Is(err, ErrNotFound) {
		return "", nil, nil
	}
	return ` AND (m.updated, m.id) ` + past + ` ($3, $4)`, []any{updated, id}, err
}

// list runs a query and scans each of its rows.
func list[T any](db *DB, ctx context.Context, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.rows(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, v)
	}
	return out, explain(rows.Err())
}
