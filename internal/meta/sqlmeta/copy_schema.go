package sqlmeta

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// copyTable is a table whose rows are copied from one database to another.
type copyTable struct {
	name string
	// heavy is a column that never changes under a key: rows are compared by its
	// length, and it is read where it is copied.
	heavy string
	// refs are the columns that name rows which may have been left out, and their
	// tables.
	refs map[string]string
	// where limits the rows that go; "" is all.
	where string
	// parent: other tables refer to the rows, so that one that has changed cannot
	// be removed and put again.
	parent bool
	// extra rows, which the copy alone has, stay.
	extra bool
	// own is a column for the use of one engine, which does not go.
	own string
}

// copyTables are all tables that make up a registry, each after those that it
// refers to; a test keeps the list whole. Uploads that have bytes in the blob
// store stay behind: they begin anew.
var copyTables = []copyTable{
	{name: "registries", parent: true},
	{name: "server_keys"},
	{name: "versions"},
	{name: "principals", parent: true},
	{name: "secrets"},
	{name: "role_assignments"},
	{name: "scope_maps"},
	{name: "repositories", parent: true, own: "reserved"},
	{name: "gc_objects", extra: true},
	{name: "blobs", parent: true},
	{name: "blob_contents", heavy: "content", refs: map[string]string{"blob_id": "blobs"}},
	{name: "repository_blobs", refs: map[string]string{"blob_id": "blobs"}},
	{name: "manifests", parent: true},
	{name: "manifest_payloads", heavy: "payload", refs: map[string]string{"manifest_id": "manifests"}},
	{name: "referrers", refs: map[string]string{"manifest_id": "manifests"}},
	{name: "manifest_blobs", refs: map[string]string{"blob_id": "blobs", "manifest_id": "manifests"}},
	{name: "manifest_children", refs: map[string]string{"child_id": "manifests", "parent_id": "manifests"}},
	{name: "missing_children", refs: map[string]string{"parent_id": "manifests"}},
	{name: "missing_blobs", refs: map[string]string{"manifest_id": "manifests"}},
	{name: "tags", refs: map[string]string{"manifest_id": "manifests"}},
	{name: "tag_history"},
	{name: "uploads", where: "(storage_key IS NULL OR cancelled)"},
	{name: "gc_blob_queue", refs: map[string]string{"blob_id": "blobs"}},
	{name: "gc_manifest_queue", refs: map[string]string{"manifest_id": "manifests"}},
	{name: "deleted_manifests", heavy: "payload", parent: true},
	{name: "deleted_manifest_blobs", refs: map[string]string{"blob_id": "blobs", "manifest_id": "deleted_manifests"}},
	{name: "deleted_tags"},
	{name: "deleted_repositories"},
}

// notCopied are the tables that belong to a database and not to a registry.
var notCopied = []string{"moves", "turns", "reservations", "goose_db_version", "goose_lock"}

// columns are those of a table in one database.
type columns struct {
	kinds map[string]string // name -> type, lower case
	key   []string          // primary key, in its order
}

// plan is a table as both databases have it. Columns come in one order, those of
// the primary key first.
type plan struct {
	copyTable
	columns []string
	keys    int          // how many of the columns are the key
	bools   map[int]bool // columns that are boolean in the database written to
}

// newPlan makes a plan of a table in two databases, which must have the same
// columns.
func newPlan(t copyTable, from, to columns) (*plan, error) {
	delete(from.kinds, t.own)
	delete(to.kinds, t.own)
	names := slices.Sorted(maps.Keys(from.kinds))
	if !slices.Equal(names, slices.Sorted(maps.Keys(to.kinds))) || !slices.Equal(from.key, to.key) || len(from.key) == 0 {
		return nil, fmt.Errorf("table %s is not the same in both databases", t.name)
	}
	p := &plan{copyTable: t, columns: slices.Clone(from.key), keys: len(from.key), bools: map[int]bool{}}
	for _, name := range names {
		if !slices.Contains(from.key, name) {
			p.columns = append(p.columns, name)
		}
	}
	for i, name := range p.columns {
		p.bools[i] = to.kinds[name] == "boolean"
	}
	return p, nil
}

func (p *plan) column(name string) int { return slices.Index(p.columns, name) }

// light is the list of columns by which rows are compared.
func (p *plan) light() string {
	names := slices.Clone(p.columns)
	if p.heavy != "" {
		names[p.column(p.heavy)] = "length(" + p.heavy + ")"
	}
	return joined(names)
}

// pageQuery asks for a page of rows, from the first on or after a key.
func (p *plan) pageQuery(after bool) string {
	var where []string
	if p.where != "" {
		where = append(where, p.where)
	}
	if after {
		where = append(where, fmt.Sprintf("(%s) > (%s)", joined(p.columns[:p.keys]), placeholders(1, p.keys)))
	}
	query := "SELECT " + p.light() + " FROM " + p.name
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT %d", query, joined(p.columns[:p.keys]), pageRows)
}

// upsert puts n rows, new or changed.
func (p *plan) upsert(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", p.name, joined(p.columns))
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "(%s)", placeholders(1+i*len(p.columns), len(p.columns)))
	}
	fmt.Fprintf(&b, " ON CONFLICT (%s) DO ", joined(p.columns[:p.keys]))
	if p.keys == len(p.columns) {
		b.WriteString("NOTHING")
		return b.String()
	}
	b.WriteString("UPDATE SET ")
	for i, name := range p.columns[p.keys:] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s = excluded.%s", name, name)
	}
	return b.String()
}

// remove removes a row.
func (p *plan) remove() string {
	return fmt.Sprintf("DELETE FROM %s WHERE (%s) = (%s)", p.name, joined(p.columns[:p.keys]), placeholders(1, p.keys))
}

func joined(names []string) string { return strings.Join(names, ", ") }

// placeholders are n of them, from $first on.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}
