package sqlmeta

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// Bounds of a page and, where rows hold content, of a write, in rows.
const (
	pageRows      = 256
	heavyPageRows = 16
)

// Copier makes a database hold what another one holds: row by row in the order
// of their keys, and only what differs. What it has written is whole at any
// moment in the sense that no row is there before what it refers to, content of
// blobs included, so that it may be ended at any point and begun anew.
type Copier struct {
	from *Snapshot
	to   *DB
	o    CopyOptions

	plans []*plan
	// left are the rows that are left out, by their table, and with them all that
	// refers to them.
	left map[string]map[int64]bool
}

// CopyOptions are what a Copier asks of its caller.
type CopyOptions struct {
	// Objects brings the content of blobs in the blob store to the other side and
	// returns an error for each, nil if it is there. A blob whose error is or wraps
	// ErrLeftOut is left out; others end the pass. Never nil.
	Objects func(ctx context.Context, blobs []meta.Blob) []error
	// Damaged is told what is left out.
	Damaged func(Damage)
	// Progress is told how many rows of a table have been looked at and how many
	// of those were written.
	Progress func(table string, rows, written int)
}

// ErrLeftOut: the content of a blob is damaged or missing.
var ErrLeftOut = errors.New("damaged or missing")

// Damage is content that cannot be copied, because it is not what its digest
// says.
type Damage struct {
	Kind     string // blob, manifest or deleted manifest
	Registry int64
	Digest   digest.Digest
	Reason   error
}

// Changes are how much a pass has changed, by table.
type Changes struct {
	Rows, Written, Removed int
}

// NewCopier prepares to copy. Both databases must have the schema of this
// program.
func NewCopier(ctx context.Context, from *Snapshot, to *DB, o CopyOptions) (*Copier, error) {
	c := &Copier{from: from, to: to, o: o, left: map[string]map[int64]bool{}}
	for _, t := range copyTables {
		ours, err := from.db.columns(ctx, t.name)
		if err != nil {
			return nil, err
		}
		theirs, err := to.columns(ctx, t.name)
		if err != nil {
			return nil, err
		}
		p, err := newPlan(t, ours, theirs)
		if err != nil {
			return nil, err
		}
		c.plans = append(c.plans, p)
	}
	return c, nil
}

// Pass makes the other database what the snapshot is, once. It may be called
// again for another snapshot only by another Copier.
func (c *Copier) Pass(ctx context.Context) (map[string]Changes, error) {
	changes := map[string]Changes{}
	for _, p := range slices.Backward(c.plans) {
		n, err := c.removeOld(ctx, p)
		if err != nil {
			return changes, fmt.Errorf("copy %s: %w", p.name, err)
		}
		changes[p.name] = Changes{Removed: n}
	}
	for _, p := range c.plans {
		ch := changes[p.name]
		err := c.putNew(ctx, p, &ch)
		changes[p.name] = ch
		if err != nil {
			return changes, fmt.Errorf("copy %s: %w", p.name, err)
		}
	}
	return changes, c.noteMissing(ctx)
}

// source and target are the two sides as readers.
func (c *Copier) source() reader { return c.from.rows }

func (c *Copier) target(ctx context.Context) reader {
	return func(query string, args ...any) (rows, error) { return c.to.rows(ctx, query, args...) }
}

// removeOld removes rows that are gone, and of tables that nothing refers to
// also those that have changed: what they refer to may be gone, too.
func (c *Copier) removeOld(ctx context.Context, p *plan) (removed int, err error) {
	if p.extra {
		return 0, nil
	}
	var old [][]any
	err = c.walk(ctx, p, func(ours, theirs []any) error {
		if theirs == nil || ours != nil && (p.parent || equalRows(ours, theirs)) {
			return nil
		}
		old = append(old, theirs)
		if len(old) < pageRows {
			return nil
		}
		removed += len(old)
		err := c.remove(ctx, p, old)
		old = old[:0]
		return err
	})
	return removed + len(old), errors.Join(err, c.remove(ctx, p, old))
}

func (c *Copier) remove(ctx context.Context, p *plan, old [][]any) error {
	if len(old) == 0 {
		return nil
	}
	return c.to.Update(ctx, func(tx *Tx) error {
		for _, row := range old {
			if p.name == "blobs" {
				if err := tx.dropCopied(row[p.column("registry_id")], row[p.column("storage_key")]); err != nil {
					return err
				}
			}
			if _, err := tx.exec(p.remove(), p.arguments(row[:p.keys])...); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropCopied leaves the object of a blob that is gone to be collected.
func (tx *Tx) dropCopied(registry, key any) error {
	if key == nil {
		return nil
	}
	_, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		key, registry, micros(tx.db.now()))
	return err
}

func compareKeys(a, b []any) int {
	for i := range a {
		order := 0
		switch x := a[i].(type) {
		case int64:
			order = cmp.Compare(x, b[i].(int64))
		case string:
			order = cmp.Compare(x, b[i].(string))
		case []byte:
			order = bytes.Compare(x, b[i].([]byte))
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

func equalRows(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool {
		bx, ok := x.([]byte)
		by, ok2 := y.([]byte)
		if ok || ok2 {
			return ok && ok2 && bytes.Equal(bx, by)
		}
		return x == y
	})
}

// putNew writes rows that are new or have changed, but for those that refer to
// what was left out.
func (c *Copier) putNew(ctx context.Context, p *plan, changes *Changes) error {
	var fresh [][]any
	flush := func() error {
		good, err := c.verified(ctx, p, fresh)
		if err == nil {
			err = c.put(ctx, p, good)
		}
		changes.Written += len(good)
		fresh = fresh[:0]
		return err
	}
	err := c.walk(ctx, p, func(ours, theirs []any) error {
		if ours == nil {
			return nil
		}
		changes.Rows++
		if c.o.Progress != nil && changes.Rows%pageRows == 0 {
			c.o.Progress(p.name, changes.Rows, changes.Written)
		}
		if theirs != nil && equalRows(ours, theirs) || c.isLeft(p, ours) {
			return nil
		}
		if fresh = append(fresh, ours); len(fresh) < pageRows {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if c.o.Progress != nil {
		c.o.Progress(p.name, changes.Rows, changes.Written)
	}
	return err
}

// isLeft tells whether a row is left out, or refers to one that is.
func (c *Copier) isLeft(p *plan, row []any) bool {
	if id, ok := row[0].(int64); ok && p.keys == 1 && c.left[p.name][id] {
		return true
	}
	for column, table := range p.refs {
		if c.left[table][row[p.column(column)].(int64)] {
			return true
		}
	}
	return false
}

// put writes rows. Those with content are read whole first, a few at a time.
func (c *Copier) put(ctx context.Context, p *plan, fresh [][]any) error {
	n := pageRows / 4 // rows in a statement
	if p.heavy != "" {
		n = heavyPageRows
	}
	for chunk := range slices.Chunk(fresh, n) {
		chunk, err := c.whole(p, chunk)
		if err != nil {
			return err
		}
		if err := c.to.Update(ctx, func(tx *Tx) error { return tx.putCopied(p, chunk) }); err != nil {
			return err
		}
	}
	return nil
}

// whole reads rows with their content.
func (c *Copier) whole(p *plan, light [][]any) ([][]any, error) {
	if p.heavy == "" {
		return light, nil
	}
	full := make([][]any, 0, len(light))
	for _, row := range light {
		query := "SELECT " + joined(p.columns) + " FROM " + p.name + " WHERE (" + joined(p.columns[:p.keys]) + ") = (" + placeholders(1, p.keys) + ")"
		page, err := c.source().page(len(p.columns), query, row[:p.keys]...)
		if err != nil {
			return nil, err
		}
		full = append(full, page...)
	}
	return full, nil
}

// putCopied writes rows. Of blobs, the collector must not have the objects.
func (tx *Tx) putCopied(p *plan, page [][]any) error {
	var args []any
	for _, row := range page {
		args = append(args, p.arguments(row)...)
		if p.name != "blobs" || row[p.column("storage_key")] == nil {
			continue
		}
		if _, err := tx.exec(`DELETE FROM gc_objects WHERE storage_key = $1`, row[p.column("storage_key")]); err != nil {
			return err
		}
	}
	_, err := tx.exec(p.upsert(len(page)), args...)
	return err
}

// arguments are values as the database that is written to takes them.
func (p *plan) arguments(row []any) []any {
	args := slices.Clone(row)
	for i, v := range args {
		if n, ok := v.(int64); ok && p.bools[i] {
			args[i] = n != 0
		}
	}
	return args
}
