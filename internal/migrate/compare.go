package migrate

import (
	"context"
	"fmt"
	"iter"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Equality is what a comparison of both sides has found: of rows, all of them,
// and of objects, those that the rows name.
type Equality struct {
	Rows    int            `json:"rows"`
	Objects int            `json:"objects"`
	Bytes   int64          `json:"bytes"`
	Tables  map[string]int `json:"tables"` // rows of each
	// What differs.
	Differences map[string]sqlmeta.Differences `json:"differences,omitempty"`
	Missing     []string                       `json:"missing,omitempty"` // objects, by key; the first of them
}

// maxMissing is how many missing objects are named.
const maxMissing = 100

// compare compares both sides.
func (p *pass) compare(ctx context.Context, c *copied) error {
	rows, err := c.Compare(ctx)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	e := &Equality{Tables: map[string]int{}}
	for table, d := range rows {
		e.Rows += d.Rows
		e.Tables[table] = d.Rows
		if !d.None() {
			if e.Differences == nil {
				e.Differences = map[string]sqlmeta.Differences{}
			}
			e.Differences[table] = d
		}
	}
	if err := e.objects(ctx, p.to); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	p.report.Equality = e
	if len(e.Differences) > 0 || len(e.Missing) > 0 {
		return fmt.Errorf("%w: %d tables differ, objects are missing: %d", ErrUnequal, len(e.Differences), len(e.Missing))
	}
	return nil
}

// objects looks for the objects that the rows of a side name, with their sizes.
// Both lists are in the order of keys.
func (e *Equality) objects(ctx context.Context, s Side) error {
	next, stop := iter.Pull2(s.Blobs.List(ctx, ""))
	defer stop()
	var have blob.Info
	more := true
	for want, err := range named(ctx, s.DB) {
		if err != nil {
			return err
		}
		for more && (have.Key < want.Key || !have.Committed) {
			if have, err, more = next(); err != nil {
				return err
			}
		}
		e.Objects++
		e.Bytes += want.Size
		if (have.Key != want.Key || have.Size != want.Size) && len(e.Missing) < maxMissing {
			e.Missing = append(e.Missing, want.Key)
		}
	}
	return nil
}

// named yields the objects that the blobs of a database name.
func named(ctx context.Context, db *sqlmeta.DB) iter.Seq2[meta.Object, error] {
	return func(yield func(meta.Object, error) bool) {
		after := ""
		for {
			const n = 1000
			page, err := db.NamedObjects(ctx, after, n)
			if err != nil {
				yield(meta.Object{}, err)
				return
			}
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
				after = o.Key
			}
			if len(page) < n {
				return
			}
		}
	}
}
