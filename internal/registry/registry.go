// Package registry is the engine of the server: the rules of push, pull, mount
// and delete, on a metadata store and a blob store. It implements
// orlop.Registry and knows neither HTTP nor permissions; whoever calls it has
// asked for these already.
//
// Whatever is stored is stored in this order: bytes first and durable, then the
// row that names them, then the answer.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/ref"
)

// Options change the engine. The zero value is the default.
type Options struct {
	// SmallBlob is the size in bytes up to which a blob is kept in the metadata
	// store; 32 KiB if 0, none if negative.
	SmallBlob int
	// CacheBytes bounds the memory that hot manifests, small blobs and tags
	// take; 24 MiB if 0. With Shared nothing is kept.
	CacheBytes int64
	// Shared: other nodes use the metadata store and the blob store too. What
	// they may change is read at each request then.
	Shared bool
	// Sparse accepts manifests whose blobs are not all in the repository.
	Sparse bool
	// UploadLife is how long an upload may be resumed; 7 days if 0.
	UploadLife time.Duration
	Now        func() time.Time // the clock; time.Now if nil
	Log        *slog.Logger     // discarded if nil
}

func (o *Options) setDefaults() {
	if o.SmallBlob == 0 {
		o.SmallBlob = 32 << 10
	}
	switch {
	case o.Shared:
		o.CacheBytes = 0
	case o.CacheBytes == 0:
		o.CacheBytes = 24 << 20
	}
	if o.UploadLife == 0 {
		o.UploadLife = 7 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Service is the engine of all registries that a server hosts.
type Service struct {
	db      *sqlmeta.DB
	blobs   blob.Store
	opts    Options
	cache   *cache
	uploads uploads
}

// New returns an engine on a metadata store and a blob store.
func New(db *sqlmeta.DB, blobs blob.Store, o Options) (*Service, error) {
	o.setDefaults()
	s := &Service{db: db, blobs: blobs, opts: o, cache: newCache(o.CacheBytes)}
	ctx := context.Background()
	if err := db.Update(ctx, func(tx *sqlmeta.Tx) error {
		return tx.EnsureRegistry(meta.DefaultRegistry, "default")
	}); err != nil {
		return nil, fmt.Errorf("prepare the default registry: %w", err)
	}
	var err error
	s.uploads.key, err = uploadKey(ctx, db, o.Now())
	return s, err
}

// Actor is who does something: it owns its uploads and stands in the history of
// tags.
type Actor struct {
	ID   string // of the principal; "" is anonymous
	Name string
}

// Registry is one registry of the server in the hands of one actor. It
// implements orlop.Registry; more methods serve the HTTP APIs.
type Registry struct {
	*Service
	id    int64
	actor Actor
}

var (
	_ orlop.Registry     = (*Registry)(nil)
	_ orlop.DigestPusher = (*Registry)(nil)
)

// Registry returns the registry id in the hands of actor. It is cheap: one for
// each request.
func (s *Service) Registry(id int64, actor Actor) *Registry {
	return &Registry{Service: s, id: id, actor: actor}
}

// key names something of a repository in the caches.
func (r *Registry) key(repo, name string) cacheKey {
	return cacheKey{registry: r.id, repo: repo, name: name}
}

// checkName refuses a malformed repository name.
func checkName(repo string) error {
	if err := ref.ValidateRepository(repo); err != nil {
		return orlop.ErrNameInvalid.WithDetail(map[string]string{"name": repo})
	}
	return nil
}

// checkTag refuses a malformed tag.
func checkTag(tag string) error {
	if err := ref.ValidateTag(tag); err != nil {
		return orlop.ErrTagInvalid.WithDetail(map[string]string{"tag": tag})
	}
	return nil
}

// checkDigest refuses a malformed digest and unknown algorithms.
func checkDigest(d digest.Digest) error {
	if _, err := ref.ValidateDigest(string(d)); err != nil {
		return orlop.ErrDigestInvalid.With("malformed digest").WithDetail(map[string]string{"digest": string(d)})
	}
	return nil
}

func checkBoth(repo string, d digest.Digest) error {
	if err := checkName(repo); err != nil {
		return err
	}
	return checkDigest(d)
}

// translate turns the errors of the stores into those of the specification;
// absent is what ErrNotFound of the metadata means here.
func translate(err error, absent error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlmeta.ErrNotFound):
		return absent
	case errors.Is(err, sqlmeta.ErrLocked):
		return errLocked
	case errors.Is(err, sqlmeta.ErrFull), errors.Is(err, blob.ErrFull):
		return fmt.Errorf("%w: %w", orlop.ErrStorageFull, err)
	case errors.Is(err, sqlmeta.ErrFailed), errors.Is(err, sqlmeta.ErrClosed), errors.Is(err, blob.ErrUnavailable):
		return fmt.Errorf("%w: %w", orlop.ErrUnavailable, err)
	case errors.Is(err, blob.ErrDamaged):
		return fmt.Errorf("%w: %w", orlop.ErrDamaged, err)
	}
	return err
}

// errLocked has the words of ACR, by which clients know it.
var errLocked = orlop.ErrDisallowed.With("The operation is disallowed on this registry, repository or image. View troubleshooting steps at " +
	"https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation").WithDetail(struct{}{})

func nameUnknown(repo string) error {
	return orlop.ErrNameUnknown.WithDetail(map[string]string{"name": repo})
}

// absentIn tells why something is absent from a repository: the repository
// itself is, or the thing.
func (r *Registry) absentIn(ctx context.Context, repo string, absent error) error {
	has, err := r.db.HasRepository(ctx, r.id, repo)
	if err != nil {
		return translate(err, nil)
	}
	if !has {
		return nameUnknown(repo)
	}
	return absent
}
