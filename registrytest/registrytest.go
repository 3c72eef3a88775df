// Package registrytest is the suite of tests that every orlop.Registry passes.
// It tests what the comments of the interface promise, sentence by sentence,
// with the inputs at the edges and with hostile ones.
//
//	func TestRegistry(t *testing.T) {
//		registrytest.Run(t, func(t *testing.T) orlop.Registry { return memory.New() }, registrytest.Options{})
//	}
package registrytest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"iter"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// Options say what an implementation cannot do. The zero value is a registry
// that can do everything.
type Options struct {
	// OneRepository: every name means the same repository, as in a layout. What
	// keeps repositories apart is not tested, nor the listing of repositories.
	OneRepository bool
	// NoResume: an upload that was closed cannot be gone on with.
	NoResume bool
	// NoUpload: Upload always fails; blobs are pushed in one go.
	NoUpload bool
	// NoMount: MountBlob always fails with ErrBlobUnknown.
	NoMount bool
	// NoDelete: the methods of Deleter are not tested.
	NoDelete bool
	// NoSHA512: blobs and manifests are known by SHA-256 only.
	NoSHA512 bool
	// SparseImages: a manifest is taken whose blobs are absent.
	SparseImages bool
	// LooseNames: what the image specification allows as a name of a manifest in
	// a layout, such as "a/b:c", is taken for a tag too.
	LooseNames bool
	// NoSparseIndexes: an index is refused whose manifests are absent.
	NoSparseIndexes bool
	// Skip names further tests that are left out, "manifest/unknown", and why:
	// faults of a registry that is not ours to mend.
	Skip map[string]string
}

// Run tests a registry. open is called for every test and returns a registry
// that may hold other repositories already; it closes it by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) orlop.Registry, o Options) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"blob", blobTests}, {"range", rangeTests}, {"upload", uploadTests}, {"manifest", manifestTests},
		{"delete", deleteTests}, {"list", listTests}, {"referrers", referrerTests}, {"malformed", malformedTests},
		{"parallel", parallelTests},
	}
	for _, g := range groups {
		if g.name == "upload" && o.NoUpload {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			for _, tt := range g.tests {
				t.Run(tt.name, func(t *testing.T) {
					if tt.without != nil && tt.without(o) {
						t.Skip("the implementation says that it cannot do this")
					}
					if why, ok := o.Skip[g.name+"/"+tt.name]; ok {
						t.Skip(why)
					}
					tt.run(&env{T: t, Registry: open(t), Options: o, repo: newName()})
				})
			}
		})
	}
}

// test is one test. without tells for which options it is left out.
type test struct {
	name    string
	run     func(*env)
	without func(Options) bool
}

func oneRepository(o Options) bool { return o.OneRepository }
func noDelete(o Options) bool      { return o.NoDelete }
func noSHA512(o Options) bool      { return o.NoSHA512 }
func noResume(o Options) bool      { return o.NoResume }

// env is what a test has: a registry and a repository in it of its own.
type env struct {
	*testing.T
	orlop.Registry
	Options Options
	repo    string
}

// newName returns a repository name that no other test has.
func newName() string { return "registrytest/" + strings.ToLower(randText()) }

func randText() string { return rand.Text() }

// content returns n bytes that are the same at every call and unlike those of
// another size.
func content(n int) []byte {
	b := make([]byte, n)
	mathrand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}).Read(b)
	return b
}

func describe(b []byte) orlop.Descriptor {
	return orlop.Descriptor{MediaType: "application/vnd.example.blob", Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// pushBlob pushes a blob to a repository, or ends the test.
func (e *env) pushBlob(repo string, b []byte) orlop.Descriptor {
	e.Helper()
	desc := describe(b)
	e.must("push blob", e.PushBlob(e.Context(), repo, desc, bytes.NewReader(b)))
	return desc
}

// image is a manifest of two blobs, which it pushes. edit may change it.
func (e *env) image(repo string, edit func(*ocispec.Manifest)) []byte {
	e.Helper()
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    e.pushBlob(repo, []byte("{}")),
		Layers:    []orlop.Descriptor{e.pushBlob(repo, []byte("a layer"))},
	}
	m.Config.MediaType = "application/vnd.example.config"
	if edit != nil {
		edit(&m)
	}
	return e.json(m)
}

func (e *env) json(v any) []byte {
	e.Helper()
	raw, err := json.MarshalIndent(v, " ", "\t") // unlike what anyone would make of it again
	e.must("marshal", err)
	return raw
}

// pushImage pushes an image that is like no other.
func (e *env) pushImage(repo, name string, tags ...string) orlop.Descriptor {
	e.Helper()
	raw := e.image(repo, func(m *ocispec.Manifest) { m.Annotations = map[string]string{"name": name} })
	return e.pushManifest(repo, raw, tags...)
}

func (e *env) pushManifest(repo string, raw []byte, tags ...string) orlop.Descriptor {
	e.Helper()
	desc, err := e.PushManifest(e.Context(), repo, "", raw, tags...)
	e.must("push manifest", err)
	return desc
}

// wantBlob checks that a blob is there, whole.
func (e *env) wantBlob(repo string, dgst digest.Digest, want []byte) {
	e.Helper()
	desc, err := e.StatBlob(e.Context(), repo, dgst)
	e.must("stat blob", err)
	if desc.Digest != dgst || desc.Size != int64(len(want)) {
		e.Errorf("blob is described as %s with %d bytes, want %s with %d", desc.Digest, desc.Size, dgst, len(want))
	}
	if got := e.read(repo, dgst, 0, -1); !bytes.Equal(got, want) {
		e.Errorf("blob %s: read %d bytes that differ from the %d pushed", dgst, len(got), len(want))
	}
}

// read reads a range of a blob.
func (e *env) read(repo string, dgst digest.Digest, off, n int64) []byte {
	e.Helper()
	r, err := e.OpenBlob(e.Context(), repo, dgst, off, n)
	e.must("open blob", err)
	b, err := io.ReadAll(r)
	e.must("read blob", errors.Join(err, r.Close()))
	return b
}

// wantNoBlob checks that a blob is not there, in whatever way one asks.
func (e *env) wantNoBlob(repo string, dgst digest.Digest) {
	e.Helper()
	_, err := e.StatBlob(e.Context(), repo, dgst)
	e.wantErr("stat blob", err, orlop.ErrBlobUnknown)
	r, err := e.OpenBlob(e.Context(), repo, dgst, 0, -1)
	e.wantErr("open blob", err, orlop.ErrBlobUnknown)
	if err == nil {
		e.must("close", r.Close())
	}
}

// wantManifest checks that reference names the manifest.
func (e *env) wantManifest(repo, reference string, want orlop.Descriptor, raw []byte) {
	e.Helper()
	desc, err := e.Resolve(e.Context(), repo, reference)
	e.must("resolve", err)
	m, err := e.Manifest(e.Context(), repo, reference)
	e.must("manifest", err)
	for _, d := range []orlop.Descriptor{desc, m.Descriptor} {
		if d.MediaType != want.MediaType || d.Digest != want.Digest || d.Size != want.Size {
			e.Errorf("%s is described as %s %s, %d bytes; want %s %s, %d bytes",
				reference, d.MediaType, d.Digest, d.Size, want.MediaType, want.Digest, want.Size)
		}
	}
	if raw != nil && !bytes.Equal(m.Raw, raw) {
		e.Errorf("%s: the manifest is not as it was pushed:\n%s", reference, m.Raw)
	}
}

// wantNoManifest checks that reference names nothing.
func (e *env) wantNoManifest(repo, reference string) {
	e.Helper()
	_, err := e.Resolve(e.Context(), repo, reference)
	e.wantErr("resolve", err, orlop.ErrManifestUnknown, orlop.ErrNameUnknown)
	_, err = e.Manifest(e.Context(), repo, reference)
	e.wantErr("manifest", err, orlop.ErrManifestUnknown, orlop.ErrNameUnknown)
}

func (e *env) must(what string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// wantErr checks that err is one of want.
func (e *env) wantErr(what string, err error, want ...error) {
	e.Helper()
	for _, w := range want {
		if errors.Is(err, w) {
			return
		}
	}
	e.Errorf("%s: error %v, want %v", what, err, want)
}

// collect reads a whole listing.
func collect[T any](e *env, seq iter.Seq2[T, error]) []T {
	e.Helper()
	var all []T
	for v, err := range seq {
		e.must("list", err)
		all = append(all, v)
	}
	return all
}

// firstErr returns the error of a listing.
func firstErr[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}
