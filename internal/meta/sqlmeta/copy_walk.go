package sqlmeta

import "context"

// cursor reads a table of one side, a page at a time, in the order of its key.
type cursor struct {
	plan  *plan
	from  reader
	page  [][]any
	after []any
	done  bool // no page comes any more
}

// peek is the next row, nil at the end.
func (c *cursor) peek() ([]any, error) {
	if len(c.page) == 0 && !c.done {
		p := c.plan
		var err error
		if c.page, err = c.from.page(len(p.columns), p.pageQuery(c.after != nil), c.after...); err != nil {
			return nil, err
		}
		c.done = len(c.page) < pageRows
		if len(c.page) > 0 {
			c.after = c.page[len(c.page)-1][:p.keys]
		}
	}
	if len(c.page) == 0 {
		return nil, nil
	}
	return c.page[0], nil
}

// walk goes through a table of both sides in the order of its key and yields
// what each has under it, nil where it has nothing. What yield writes must be
// under that key or one before it.
func (c *Copier) walk(ctx context.Context, p *plan, yield func(ours, theirs []any) error) error {
	source, target := &cursor{plan: p, from: c.source()}, &cursor{plan: p, from: c.target(ctx)}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		ours, err := source.peek()
		if err != nil {
			return err
		}
		theirs, err := target.peek()
		if err != nil {
			return err
		}
		order := 0
		switch {
		case ours == nil && theirs == nil:
			return nil
		case ours == nil:
			order = 1
		case theirs == nil:
			order = -1
		default:
			order = compareKeys(ours[:p.keys], theirs[:p.keys])
		}
		if order <= 0 {
			source.page = source.page[1:]
		} else {
			ours = nil
		}
		if order >= 0 {
			target.page = target.page[1:]
		} else {
			theirs = nil
		}
		if err := yield(ours, theirs); err != nil {
			return err
		}
	}
}

// Differences are how many rows of a table one side lacks or has otherwise.
type Differences struct {
	Rows    int // of the snapshot, without those that do not go
	Missing int // not in the copy
	Other   int // otherwise in the copy
	Surplus int // in the copy alone
}

// None tells whether the sides are equal.
func (d Differences) None() bool { return d.Missing+d.Other+d.Surplus == 0 }

// Compare compares all rows of the snapshot with the copy, by table. Rows that
// refer to what the pass has left out are not counted.
func (c *Copier) Compare(ctx context.Context) (map[string]Differences, error) {
	found := map[string]Differences{}
	for _, p := range c.plans {
		var d Differences
		err := c.walk(ctx, p, func(ours, theirs []any) error {
			switch {
			case ours != nil && c.isLeft(p, ours):
			case ours == nil && !c.mayHave(p):
				d.Surplus++
			case ours == nil:
			case theirs == nil:
				d.Rows, d.Missing = d.Rows+1, d.Missing+1
			case !equalRows(ours, theirs):
				d.Rows, d.Other = d.Rows+1, d.Other+1
			default:
				d.Rows++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		found[p.name] = d
	}
	return found, nil
}

// mayHave tells whether the copy may have rows of its own in a table: objects to
// be collected, and the manifests that wait for what was left out.
func (c *Copier) mayHave(p *plan) bool {
	return p.extra || p.name == "missing_blobs" && len(c.left["blobs"]) > 0 || p.name == "missing_children" && len(c.left["manifests"]) > 0
}
