// Package migrate moves a registry from one pair of stores to another: from
// SQLite and files to PostgreSQL and an object store, back, or between any two.
//
// The source goes on serving meanwhile. Each pass reads its metadata as of one
// moment, copies content that the other side lacks, checked against its digest,
// and then the rows that name it. The last pass is made when nobody writes to
// the source any more, and is followed by a comparison of both sides. A pass may
// be ended at any point: what it has copied stays, and what is half copied is
// not visible, nor is the other side served before all is there.
//
// How two databases are made the same is in package sqlmeta (copy.go).
package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Errors of a move.
var (
	// ErrDamaged: content of the source is damaged, and was left out.
	ErrDamaged = errors.New("content of the source is damaged")
	// ErrUnequal: the sides differ after the last pass.
	ErrUnequal = errors.New("the two sides are not equal")
	// ErrOccupied: the target holds something else.
	ErrOccupied = sqlmeta.ErrOccupied
)

// Side is where a registry is, or comes to.
type Side struct {
	Name  string // tells it from other places; shown
	DB    *sqlmeta.DB
	Blobs blob.Store
}

// Options of a pass. The zero value is a pass beside a source that serves.
type Options struct {
	// Finish makes this the last pass: the source is frozen first, and stays so if
	// all goes well.
	Finish bool
	// LeaveDamaged lets a move be finished without what is damaged.
	LeaveDamaged bool
	// Concurrency is how many objects are copied at a time; 8 if 0.
	Concurrency int
	// Progress is told how far the pass is, often; may be nil. It is not called
	// concurrently.
	Progress func(Progress)
}

// Progress is how far a pass is.
type Progress struct {
	Table   string // that is being copied
	Rows    int    // of it that were looked at
	Objects int    // copied in this pass
	Bytes   int64  // copied in this pass, of objects
}

// Report is what a pass has done. Counts of rows are of all tables.
type Report struct {
	Finished bool                       `json:"finished"`
	Rows     int                        `json:"rows"`    // looked at
	Written  int                        `json:"written"` // new or changed
	Removed  int                        `json:"removed"`
	Objects  int                        `json:"objects"` // copied
	Bytes    int64                      `json:"bytes"`   // of these
	Tables   map[string]sqlmeta.Changes `json:"tables"`
	Damaged  []Damage                   `json:"damaged"`
	// Equality is what the comparison after the last pass has found; nil if none was made.
	Equality *Equality `json:"equality,omitempty"`
}

// Damage is content that was left out.
type Damage struct {
	Kind     string `json:"kind"`
	Registry int64  `json:"registry"`
	Digest   string `json:"digest"`
	Reason   string `json:"reason"`
}

// pass is one pass.
type pass struct {
	from, to Side
	o        Options
	again    bool // an earlier pass was made, and may have been cut short
	report   Report
	progress progress
}

// Run makes a pass. Its report tells what was done, also beside an error.
func Run(ctx context.Context, from, to Side, o Options) (Report, error) {
	p := &pass{from: from, to: to, o: o, report: Report{Tables: map[string]sqlmeta.Changes{}, Damaged: []Damage{}}}
	if o.Concurrency == 0 {
		p.o.Concurrency = 8
	}
	p.progress.tell = o.Progress
	err := p.run(ctx)
	p.report.Objects, p.report.Bytes = p.progress.copied()
	return p.report, err
}

func (p *pass) run(ctx context.Context) error {
	if err := p.begin(ctx); err != nil || p.report.Finished {
		return err
	}
	if !p.o.Finish {
		_, err := p.copy(ctx)
		return errors.Join(err, p.damage())
	}
	if err := p.from.DB.Freeze(ctx, p.to.Name); err != nil {
		return fmt.Errorf("freeze the source: %w", err)
	}
	if err := p.last(ctx); err != nil { // the source serves on
		return errors.Join(err, p.from.DB.Thaw(context.WithoutCancel(ctx)))
	}
	// From here on the source stays frozen: if this fails, nobody knows whether the
	// target has become the registry, and the next run finds out.
	if err := p.to.DB.EndMove(ctx); err != nil {
		return fmt.Errorf("end the move: %w", err)
	}
	p.report.Finished = true
	return nil
}

// begin marks the target, which must be empty at first.
func (p *pass) begin(ctx context.Context) error {
	source, peer, err := p.from.DB.Moving(ctx)
	if err != nil {
		return err
	}
	target, _, err := p.to.DB.Moving(ctx)
	if err != nil {
		return err
	}
	p.again = target == sqlmeta.Here
	switch {
	case source == sqlmeta.Here:
		return fmt.Errorf("%s is not whole: the registry of %s is being moved there", p.from.Name, peer)
	case source == sqlmeta.Away && peer != p.to.Name:
		return fmt.Errorf("%s was moved to %s", p.from.Name, peer)
	case source == sqlmeta.Away && !p.again:
		p.report.Finished = true // by a run whose end nobody has heard of
		return nil
	}
	if !p.again {
		if err := empty(ctx, p.to.Blobs); err != nil {
			return err
		}
	}
	return p.to.DB.BeginMove(ctx, p.from.Name)
}

// empty tells whether a store has no object: others might be somebody's.
func empty(ctx context.Context, store blob.Store) error {
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: the blob store holds the object %s", ErrOccupied, info.Key)
	}
	return nil
}

// last makes the last pass and compares.
func (p *pass) last(ctx context.Context) error {
	c, err := p.copy(ctx)
	if err != nil {
		return err
	}
	defer c.snapshot.Close()
	if err := p.damage(); err != nil && !p.o.LeaveDamaged {
		return err
	}
	return p.compare(ctx, c)
}

func (p *pass) damage() error {
	if n := len(p.report.Damaged); n > 0 {
		return fmt.Errorf("%w: %d left out", ErrDamaged, n)
	}
	return nil
}

// copy copies what differs now. The copier it returns can compare until its
// snapshot is closed, which happens with the pass.
func (p *pass) copy(ctx context.Context) (*copied, error) {
	snapshot, err := p.from.DB.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	c, err := sqlmeta.NewCopier(ctx, snapshot, p.to.DB, sqlmeta.CopyOptions{
		Objects: p.objects,
		Damaged: func(d sqlmeta.Damage) {
			p.report.Damaged = append(p.report.Damaged, Damage{d.Kind, d.Registry, string(d.Digest), d.Reason.Error()})
		},
		Progress: p.progress.table,
	})
	if err != nil {
		return nil, errors.Join(err, snapshot.Close())
	}
	p.report.Tables, err = c.Pass(ctx)
	for _, t := range p.report.Tables {
		p.report.Rows += t.Rows
		p.report.Written += t.Written
		p.report.Removed += t.Removed
	}
	if err != nil || !p.o.Finish {
		return nil, errors.Join(err, snapshot.Close())
	}
	return &copied{c, snapshot}, nil
}

// copied is what a pass has copied, to be compared.
type copied struct {
	*sqlmeta.Copier
	snapshot *sqlmeta.Snapshot
}
