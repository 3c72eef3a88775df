package orlop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"
)

// Target is what Copy writes to. It reads too, to learn what is there.
type Target interface {
	Reader
	Writer
}

// CopyOptions tell Copy how to go about it. The zero value copies the graph of
// the manifest and gives it no tag.
type CopyOptions struct {
	// Tags are made to name the manifest at the destination when it is there
	// whole, and what refers to it, if that is copied.
	Tags []string
	// Concurrency is how many blobs and manifests are under way at once. 0 goes
	// by their sizes: 32 of up to 1 MiB, fewer of larger ones, 5 of the largest;
	// 256 of up to 64 KiB, if the source is a SmallReader or the destination a
	// MountPusher.
	Concurrency int
	// MountFrom are repositories of the destination's registry in which blobs may
	// lie already, tried in order: they are mounted rather than sent. If the
	// repository that is copied from is one of them, it is tried before the
	// destination is asked for a blob.
	MountFrom []string
	// Attempts is how often in a row the reading of a blob may break off without
	// bringing a byte before Copy gives up; it goes on where it broke off.
	// A source that has tried again itself says so by ErrGaveUp. 0: 5.
	Attempts int
	// MaxNodes is how many references the manifests may hold in all; more give
	// ErrTooLarge. 0: 100,000.
	MaxNodes int
	// Force sends every manifest and looks for every blob. Otherwise what is
	// under a manifest that the destination has is taken to be there.
	Force bool
	// AllowMissing leaves out manifests of an index that the source does not
	// have, and goes on. Otherwise they are an error, ErrManifestUnknown.
	AllowMissing bool
	// Referrers copies also what refers to the manifests copied, and what refers
	// to that. The source must be a Lister.
	Referrers bool
	// Progress, if not nil, is told what happens. It is called by one goroutine
	// at a time and must return soon.
	Progress func(Event)
}

// EventKind is a kind of Event.
type EventKind int

// What happens to a blob or manifest: one of Exists, Mounted, Skipped and
// Missing; or Started, Bytes as often as some arrive, and Done. Mounted may also
// come in place of Done, if the registry had the content read before it could
// tell. What the destination was wrong to say that it has comes once more after
// Exists. After an error nothing more need come.
const (
	Started EventKind = iota
	Bytes
	Done
	Exists  // it was there
	Mounted // a blob was taken from MountFrom
	Skipped // a foreign layer, which registries do not hold
	Missing // a manifest of an index that was left out, see AllowMissing
)

// Event tells the progress of Copy.
type Event struct {
	Kind       EventKind
	Descriptor Descriptor // as the manifest above gives it, with its annotations
	// N is how many bytes of the content have been sent. It falls when the
	// destination has to begin again.
	N int64
}

// Side is an end of a copy.
type Side string

// The sides of a copy.
const (
	Source      Side = "source"
	Destination Side = "destination"
)

// CopyError is an error of Copy: what failed, on which side, for what.
type CopyError struct {
	Op         string // such as "read manifest"
	Side       Side
	Descriptor Descriptor
	Err        error
}

// Error is the operation, the digest and the cause.
func (e *CopyError) Error() string {
	if e.Descriptor.Digest == "" {
		return fmt.Sprintf("%s: %s: %v", e.Side, e.Op, e.Err)
	}
	return fmt.Sprintf("%s: %s %s: %v", e.Side, e.Op, e.Descriptor.Digest, e.Err)
}

// Unwrap returns the cause.
func (e *CopyError) Unwrap() error { return e.Err }

// Copy copies the manifest that reference names and all that it refers to from
// one registry to another: blobs first, then the manifests of an index, then
// the manifest itself, so that the destination never has one without its parts.
// What is there already is not sent, and foreign layers are left where they
// are. It returns the descriptor of the manifest.
//
// Manifests are checked against their digests; the content of blobs is checked
// by the destination. All errors are of type *CopyError, or that of ctx.
func Copy(
	ctx context.Context, dst Target, dstRepo string, src Reader, srcRepo, reference string, o CopyOptions,
) (Descriptor, error) {
	c, err := newCopier(dst, dstRepo, src, srcRepo, o)
	if err != nil {
		return Descriptor{}, err
	}
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.cancel = cancel
	desc, err := c.copy(run, reference)
	switch {
	case err == nil:
		return desc, nil
	case ctx.Err() != nil:
		return Descriptor{}, ctx.Err()
	case run.Err() != nil: // what went wrong first, of several things at once
		return Descriptor{}, context.Cause(run)
	}
	return Descriptor{}, err
}

func (c *copier) copy(ctx context.Context, reference string) (Descriptor, error) {
	root, err := c.src.Manifest(ctx, c.srcRepo, reference)
	if err != nil {
		return Descriptor{}, &CopyError{"read manifest " + reference, Source, Descriptor{}, err}
	}
	if err := c.checkRoot(root, reference); err != nil {
		return Descriptor{}, err
	}
	if err := c.copyManifest(ctx, root.Descriptor, &root, 0); err != nil {
		return Descriptor{}, err
	}
	if !c.o.Referrers {
		return root.Descriptor, nil
	}
	if err := c.copyReferrers(ctx); err != nil {
		return Descriptor{}, err
	}
	return root.Descriptor, c.tagLast(ctx, root)
}

// copier is one run of Copy.
type copier struct {
	dst              Target
	src              Reader
	dstRepo, srcRepo string
	o                CopyOptions
	cancel           context.CancelCauseFunc
	gate             gate
	asking           *semaphore.Weighted // held while the destination is asked for a blob
	lister           Lister              // the source, if referrers are copied
	mounter          MountPusher         // the destination, if it is one
	expecter         Expecter            // the destination, if it is one and wants to know
	checked          bool                // the destination checks blobs in this process
	guess            guess
	near             sync.Once // guards nearErr: how the first mount from the source went
	nearErr          error
	tags             []string // what is set with the root

	leaves *semaphore.Weighted // bytes of the manifests in memory that are no indexes

	mu      sync.Mutex // guards what follows
	nodes   map[nodeKey]*node
	doubted map[nodeKey]bool // manifests that the destination was wrong to say it has
	count   int              // references seen
	held    int64            // bytes of the indexes in memory
	fresh   []Descriptor     // manifests whose referrers have not been listed

	progress sync.Mutex // held while o.Progress is called
}

func newCopier(dst Target, dstRepo string, src Reader, srcRepo string, o CopyOptions) (*copier, error) {
	o.Attempts = cmp.Or(o.Attempts, 5)
	o.MaxNodes = cmp.Or(o.MaxNodes, defaultMaxNodes)
	c := &copier{
		dst: dst, src: src, dstRepo: dstRepo, srcRepo: srcRepo, o: o,
		leaves: semaphore.NewWeighted(maxHeld),
		guess:  guess{known: make(chan struct{})},
		nodes:  map[nodeKey]*node{}, doubted: map[nodeKey]bool{},
	}
	c.mounter, _ = dst.(MountPusher)
	_, together := src.(SmallReader)
	c.asking = semaphore.NewWeighted(maxUnderWay)
	c.gate = newGate(o.Concurrency, together || c.mounter != nil)
	if e, ok := dst.(Expecter); ok && e.Expect(dstRepo, nil) {
		c.expecter = e
	}
	if checker, ok := dst.(BlobChecker); ok {
		c.checked = checker.ChecksBlobs()
	}
	if !o.Referrers {
		c.tags = o.Tags
		return c, nil
	}
	lister, ok := src.(Lister)
	if !ok {
		return nil, &CopyError{"list referrers", Source, Descriptor{}, ErrUnsupported}
	}
	c.lister = lister
	return c, nil
}

// checkRoot checks that the source gave what was asked for.
func (c *copier) checkRoot(root Manifest, reference string) error {
	asked := digest.Digest(reference) // if it is one: in a layout, names have colons too
	if ValidateDigest(asked) == nil && root.Descriptor.Digest != asked {
		return &CopyError{"read manifest " + reference, Source, root.Descriptor, ErrDamaged}
	}
	return c.checkManifest(root.Descriptor, root)
}

// checkManifest checks a manifest against the descriptor that it was asked by.
func (c *copier) checkManifest(desc Descriptor, m Manifest) error {
	if err := ValidateDigest(desc.Digest); err != nil {
		return &CopyError{"read manifest", Source, desc, err}
	}
	if desc.Digest.Algorithm().FromBytes(m.Raw) != desc.Digest || int64(len(m.Raw)) != desc.Size {
		return &CopyError{"read manifest", Source, desc, ErrDamaged}
	}
	return nil
}

// event reports progress.
func (c *copier) event(kind EventKind, desc Descriptor, n int64) {
	if c.o.Progress == nil {
		return
	}
	c.progress.Lock()
	defer c.progress.Unlock()
	c.o.Progress(Event{kind, desc, n})
}

// absent tells whether an error says that something is not there.
func absent(err error) bool {
	return errors.Is(err, ErrBlobUnknown) || errors.Is(err, ErrManifestUnknown) || errors.Is(err, ErrNameUnknown)
}
