package registries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// Registry is a registry as a Route reaches it. Reads of its repository go to
// the sources of the route, in order, until one answers; one that has failed is
// not asked again. Everything else goes to the registry that was named.
// It may be used concurrently.
//
// A tag means what the source that knows it first says; content is checked by
// its digest wherever it comes from. Damaged content is an error, whatever
// sources there are still.
type Registry struct {
	writer             // named
	reads  []*endpoint // mirrors, and last the location
	log    *slog.Logger
}

var _ Endpoint = (*Registry)(nil)

// NewRegistry returns the registry of a route. If mirrors is false, everything
// goes to the registry that was named: who is about to write must know what is
// there, not what a mirror has. The log is told at level debug which source
// served.
func NewRegistry(r *Route, mirrors bool, open Opener, log *slog.Logger) *Registry {
	named := &endpoint{Source: r.Named, opener: open}
	reg := &Registry{writer: writer{named}, reads: []*endpoint{named}, log: log}
	if mirrors {
		reg.reads = nil
		for _, s := range r.Reads {
			reg.reads = append(reg.reads, &endpoint{Source: s, opener: open})
		}
	}
	return reg
}

// Resolve implements orlop.Reader.
func (r *Registry) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	return read(ctx, r, repo, func(at opened) (orlop.Descriptor, error) { return at.Resolve(ctx, at.repo, reference) })
}

// Manifest implements orlop.Reader.
func (r *Registry) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	return read(ctx, r, repo, func(at opened) (orlop.Manifest, error) { return at.Manifest(ctx, at.repo, reference) })
}

// StatBlob implements orlop.Reader.
func (r *Registry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	return read(ctx, r, repo, func(at opened) (orlop.Descriptor, error) { return at.StatBlob(ctx, at.repo, dgst) })
}

// OpenBlob implements orlop.Reader. A mirror whose content breaks off is not
// asked for the rest.
func (r *Registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	return read(ctx, r, repo, func(at opened) (orlop.BlobReader, error) {
		b, err := at.OpenBlob(ctx, at.repo, dgst, off, n)
		if err != nil {
			return nil, err
		}
		return &blob{BlobReader: b, failed: at.failed}, nil
	})
}

// ReadBlob implements orlop.SmallReader.
func (r *Registry) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	return read(ctx, r, repo, func(at opened) ([]byte, error) { return at.ReadBlob(ctx, at.repo, desc) })
}

// read asks the sources in order. The error is that of the last one, which is
// the location; what the mirrors said is added as text.
func read[T any](ctx context.Context, r *Registry, repo string, do func(opened) (T, error)) (T, error) {
	if repo != r.named.Repo { // another repository is under another prefix, perhaps
		return ask(ctx, r.named, repo, do)
	}
	var failed []string
	mirrors, location := r.reads[:len(r.reads)-1], r.reads[len(r.reads)-1]
	for _, m := range mirrors {
		if m.failed.Load() {
			continue
		}
		got, err := ask(ctx, m, m.Repo, do)
		if err == nil || ctx.Err() != nil || errors.Is(err, orlop.ErrDamaged) {
			r.served(m, err)
			return got, err
		}
		r.log.Debug("a mirror failed", "mirror", m.String(), "error", err.Error())
		failed = append(failed, fmt.Sprintf("%s: %v", m, err))
		// It may lack a blob and have others. Without the manifest it hardly has
		// what that refers to.
		if !errors.Is(err, orlop.ErrBlobUnknown) {
			m.failed.Store(true)
		}
	}
	got, err := ask(ctx, location, location.Repo, do)
	r.served(location, err)
	return got, withMirrors(err, failed)
}

// opened is a source at work on a repository.
type opened struct {
	Endpoint
	repo   string
	failed *atomic.Bool // of the endpoint
}

func ask[T any](ctx context.Context, e *endpoint, repo string, do func(opened) (T, error)) (T, error) {
	reg, err := e.open(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return do(opened{reg, repo, &e.failed})
}

func (r *Registry) served(s *endpoint, err error) {
	if err == nil && s != r.named {
		r.log.Debug("served", "for", r.named.String(), "from", s.String())
	}
}

func withMirrors(err error, failed []string) error {
	if err == nil || len(failed) == 0 {
		return err
	}
	return fmt.Errorf("%w (mirrors failed: %s)", err, strings.Join(failed, "; "))
}
