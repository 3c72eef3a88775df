package orlop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// faulty is a registry of which one call fails: the n-th, before or after it
// was done.
type faulty struct {
	*memory.Registry
	calls atomic.Int64
	n     int64 // 0: none
	after bool
	fault func() error
}

// call makes a call that may be the one that fails.
func (f *faulty) call(do func() error) error {
	fails := f.calls.Add(1) == f.n
	if fails && !f.after {
		return f.fault()
	}
	err := do()
	if fails {
		return f.fault()
	}
	return err
}

func (f *faulty) Resolve(ctx context.Context, repo, reference string) (desc orlop.Descriptor, err error) {
	err = f.call(func() error { desc, err = f.Registry.Resolve(ctx, repo, reference); return err })
	return desc, err
}

func (f *faulty) Manifest(ctx context.Context, repo, reference string) (m orlop.Manifest, err error) {
	err = f.call(func() error { m, err = f.Registry.Manifest(ctx, repo, reference); return err })
	return m, err
}

func (f *faulty) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (desc orlop.Descriptor, err error) {
	err = f.call(func() error { desc, err = f.Registry.StatBlob(ctx, repo, dgst); return err })
	return desc, err
}

func (f *faulty) OpenBlob(
	ctx context.Context, repo string, dgst digest.Digest, off, n int64,
) (r orlop.BlobReader, err error) {
	err = f.call(func() error { r, err = f.Registry.OpenBlob(ctx, repo, dgst, off, n); return err })
	if err != nil {
		return nil, err
	}
	return &faultyReader{r, f, nil}, nil
}

type faultyReader struct {
	orlop.BlobReader
	f   *faulty
	err error // comes again
}

func (r *faultyReader) Read(p []byte) (n int, err error) {
	if r.err == nil {
		r.err = r.f.call(func() error { n, err = r.BlobReader.Read(p); return err })
	}
	if r.err != nil && r.err != io.EOF {
		n = 0 // what came last is lost
	}
	return n, r.err
}

func (f *faulty) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	return f.call(func() error { return f.Registry.PushBlob(ctx, repo, desc, content) })
}

func (f *faulty) PushManifest(
	ctx context.Context, repo, mediaType string, raw []byte, tags ...string,
) (desc orlop.Descriptor, err error) {
	err = f.call(func() error { desc, err = f.Registry.PushManifest(ctx, repo, mediaType, raw, tags...); return err })
	return desc, err
}

func (f *faulty) Referrers(
	ctx context.Context, repo string, dgst digest.Digest, artifactType string,
) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		for desc, err := range f.Registry.Referrers(ctx, repo, dgst, artifactType) {
			if err := f.call(func() error { return err }); err != nil {
				yield(desc, err)
				return
			}
			if !yield(desc, nil) {
				return
			}
		}
	}
}

// wantSound checks that every manifest of a repository has all its parts.
func wantSound(t *testing.T, r orlop.Reader, repo string, manifests []digest.Digest) {
	t.Helper()
	for _, dgst := range manifests {
		_, err := r.Resolve(t.Context(), repo, string(dgst))
		if err == nil {
			wantGraph(t, r, repo, string(dgst))
		} else if !errors.Is(err, orlop.ErrManifestUnknown) && !errors.Is(err, orlop.ErrNameUnknown) {
			t.Error(err)
		}
	}
}

// manifestsOf pushes a graph with a referrer and returns its manifests.
func manifestsOf(t *testing.T, r *memory.Registry) []digest.Digest {
	t.Helper()
	root := pushGraph(t, r, "from", "v1")
	all := []digest.Digest{root.Digest, pushImage(t, r, "from", "sbom", &root).Digest}
	m, err := r.Manifest(t.Context(), "from", "v1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range info.Children {
		all = append(all, child.Digest)
	}
	return all
}

// eachFault copies once for every call of a copy, and lets that call fail.
func eachFault(t *testing.T, o orlop.CopyOptions, fault func(cancel func()) func() error, check func(side orlop.Side, err error)) {
	src := memory.New()
	manifests := manifestsOf(t, src)
	for _, side := range []orlop.Side{orlop.Source, orlop.Destination} {
		for _, after := range []bool{false, true} {
			for n := int64(1); ; n++ {
				ctx, cancel := context.WithCancel(t.Context())
				from, to := &faulty{Registry: src}, &faulty{Registry: memory.New()}
				broken := map[orlop.Side]*faulty{orlop.Source: from, orlop.Destination: to}[side]
				broken.n, broken.after, broken.fault = n, after, fault(cancel)
				_, err := orlop.Copy(ctx, to, "to", from, "from", "v1", o)
				cancel()
				if broken.calls.Load() < n { // it was over before
					if err != nil || n < 10 {
						t.Errorf("%d calls of the %s: %v", n-1, side, err)
					}
					break
				}
				check(side, err)
				wantSound(t, to.Registry, "to", manifests)
				if _, err := to.Registry.Resolve(t.Context(), "to", "v1"); err == nil {
					wantGraph(t, to.Registry, "to", "v1")
				}
				if _, err := orlop.Copy(t.Context(), to, "to", from, "from", "v1", o); err != nil {
					t.Errorf("second copy, after call %d of the %s: %v", n, side, err)
				}
				wantGraph(t, to.Registry, "to", "v1")
				for _, dgst := range manifests {
					wantGraph(t, to.Registry, "to", string(dgst))
				}
			}
		}
	}
}

func TestCopyEachCallFails(t *testing.T) {
	for _, concurrency := range []int{1, 0} {
		for _, cause := range []error{orlop.ErrDenied, errCable} {
			t.Run(fmt.Sprint(concurrency, " at once, ", cause), func(t *testing.T) {
				o := orlop.CopyOptions{Tags: []string{"v1"}, Referrers: true, Concurrency: concurrency}
				failed := 0
				eachFault(t, o, func(func()) func() error {
					return func() error { return cause }
				}, func(side orlop.Side, err error) {
					if err == nil && side == orlop.Source && cause == errCable {
						return // what is read of a blob is read again
					}
					failed++
					wantSide(t, err, side, cause)
				})
				if failed < 20 {
					t.Errorf("%d copies failed", failed)
				}
			})
		}
	}
}

func TestCopyCancelledAtEachCall(t *testing.T) {
	for _, concurrency := range []int{1, 0} {
		o := orlop.CopyOptions{Tags: []string{"v1"}, Referrers: true, Concurrency: concurrency}
		eachFault(t, o, func(cancel func()) func() error {
			return func() error { cancel(); return context.Canceled }
		}, func(_ orlop.Side, err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

// A source may say that a blob is longer or shorter than it is.
func TestCopyLyingSizes(t *testing.T) {
	content := []byte("content")
	tests := []struct {
		size  int64
		side  orlop.Side
		cause error
	}{
		{8, orlop.Source, io.ErrUnexpectedEOF}, {1 << 62, orlop.Source, io.ErrUnexpectedEOF},
		{6, orlop.Destination, orlop.ErrDigestInvalid}, {0, orlop.Destination, orlop.ErrDigestInvalid},
		{-1, orlop.Source, orlop.ErrManifestInvalid},
	}
	for _, tt := range tests {
		src, dst := newSpy(), newSpy()
		layer := pushBlob(t, src, "from", content)
		config := pushBlob(t, src, "from", []byte("{}"))
		pushImage(t, src, "from", "image", nil, "v1")
		layer.Size = tt.size
		src.read = func(m *orlop.Manifest) error {
			lying := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []orlop.Descriptor{layer}}
			lying.SchemaVersion = 2
			m.Raw = marshal(t, lying)
			m.Descriptor = orlop.Descriptor{MediaType: lying.MediaType, Digest: digest.FromBytes(m.Raw), Size: int64(len(m.Raw))}
			return nil
		}
		_, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}, Attempts: 2})
		wantSide(t, err, tt.side, tt.cause)
		if _, err := dst.Resolve(t.Context(), "to", "v1"); err == nil {
			t.Errorf("size %d: a tag was left", tt.size)
		}
		if _, err := dst.StatBlob(t.Context(), "to", layer.Digest); err == nil {
			t.Errorf("size %d: a blob was left", tt.size)
		}
	}
}
