package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// How many things are under way at once where the user does not say.
const (
	bulkResolves  = 16 // requests that only cost a round trip
	bulkManifests = 8
)

// bulkCopy copies the manifests that tags name from one target to another,
// several at once. A tag that fails does not keep the others from being copied.
type bulkCopy struct {
	from, to  *target
	referrers bool // copy them too
	transfers int  // blobs at once; 0: adapt
	sentence  string
	moved     *transfers
	dst       orlop.Target
	out       *output.Printer
	later     bool // lines would break the bars

	mu     sync.Mutex // guards what follows
	copied []copiedTag
	failed []failedTag
	lines  []string // for later
	seen   map[digest.Digest]stage
}

func newBulkCopy(from *target, o *concurrencyOptions, referrers bool) *bulkCopy {
	return &bulkCopy{
		from: from, referrers: referrers, transfers: o.concurrency, copied: []copiedTag{}, failed: []failedTag{},
		seen: map[digest.Digest]stage{},
	}
}

// copiedTag is a tag of a bulk copy, in results as JSON.
type copiedTag struct {
	Tag       string `json:"tag"`
	Reference string `json:"reference"`
	descriptor
	Referrers int `json:"referrers"` // of the manifest and of those below it
}

// failedTag is a tag that could not be copied, in results as JSON.
type failedTag struct {
	Tag   string `json:"tag"`
	Error string `json:"error"`
	err   error
}

// copy copies the manifests to a target and gives them their tags.
func (b *bulkCopy) copy(ctx context.Context, all []*tagged, to *target) error {
	b.to, b.dst = to, newBulkTarget(to.Registry, b.transfers)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.atOnce())
	for _, one := range all {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return b.copyOne(ctx, one) })
	}
	return g.Wait()
}

// atOnce is how many manifests are copied at once: one if the destination wants
// its blobs in the same order every time.
func (b *bulkCopy) atOnce() int {
	if e, ok := b.dst.(orlop.Expecter); ok && e.Expect(b.to.repo, nil) {
		return 1
	}
	return cmp.Or(b.transfers, bulkManifests)
}

func (b *bulkCopy) copyOne(ctx context.Context, one *tagged) error {
	src := &bulkSource{Registry: b.from.Registry, have: b.to, referrers: map[digest.Digest]bool{}}
	d, err := orlop.Copy(ctx, b.dst, b.to.repo, src, b.from.repo, string(one.desc.Digest), orlop.CopyOptions{
		Tags:        one.tags,
		Concurrency: b.transfers,
		Referrers:   b.referrers,
		Progress:    b.event,
	})
	if err != nil {
		return b.fail(ctx, one.tags, copyFailure(b.from, b.to, err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, tag := range one.tags {
		b.line(fmt.Sprintf(b.sentence, tag, len(src.referrers)))
		b.copied = append(b.copied, copiedTag{
			Tag: tag, Reference: b.to.digested(d.Digest), descriptor: describe(d), Referrers: len(src.referrers),
		})
	}
	return nil
}

// fail notes that tags could not be copied. It returns the error if all others
// would fail as well.
func (b *bulkCopy) fail(ctx context.Context, tags []string, err error) error {
	if ctx.Err() != nil || hopeless(err) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, tag := range tags {
		_, text := errorText(err)
		b.failed = append(b.failed, failedTag{Tag: tag, Error: text, err: err})
	}
	return nil
}

// hopeless tells whether an error is about more than the content at hand: the
// network, the disk or the user's rights.
func hopeless(err error) bool {
	for _, about := range []error{orlop.ErrUnauthorized, orlop.ErrDenied, orlop.ErrStorageFull, orlop.ErrUnsupported} {
		if errors.Is(err, about) {
			return true
		}
	}
	_, known := errors.AsType[*orlop.Error](err)
	return !known && !errors.Is(err, orlop.ErrDamaged) && !errors.Is(err, orlop.ErrTooLarge)
}

// summary is what was copied, nothing if it did not come to that.
func (b *bulkCopy) summary() transferSummary {
	if b.moved == nil {
		return transferSummary{}
	}
	return b.moved.summary()
}

// end writes the result, if it is not text, and returns the failure.
func (b *bulkCopy) end(env *Env, f output.Format, out *output.Printer, done string, result any) error {
	if !f.IsText() {
		if err := f.Write(env.Stdout, result); err != nil {
			return err
		}
	}
	if err := out.Err(); err != nil {
		return err
	}
	return b.failure(done, output.NewPrinter(env.Stderr))
}

// failure is the error of a bulk copy that went through to its end, nil if all
// tags were copied. done says what was to happen with them, such as "backed up".
func (b *bulkCopy) failure(done string, errs *output.Printer) error {
	all := len(b.copied) + len(b.failed)
	switch {
	case len(b.failed) == 0:
		return nil
	case all == 1:
		return b.failed[0].err
	}
	for _, f := range b.failed {
		errs.Line("Failed tag %s: %s", f.Tag, f.Error)
	}
	return withHint(fmt.Errorf("%d of %d tags could not be %s", len(b.failed), all, done),
		"the others are; see above for the reasons, and run the command again to go on")
}

// took is how long something took, for people.
func took(start time.Time) string { return time.Since(start).Round(time.Millisecond).String() }
