package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

var parallelTests = []test{
	{"artifacts in one repository", testParallelArtifacts, nil},
	{"one artifact", testParallelSame, nil},
	{"one tag", testParallelTag, nil},
	{"reading while it is pushed and deleted", testParallelDelete, noDelete},
}

const pushers = 16

// together runs f as often at once, and ends the test if one fails.
func (e *env) together(f func(i int) error) {
	e.Helper()
	var wg sync.WaitGroup
	errs := make([]error, pushers)
	for i := range pushers {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	e.must("together", errors.Join(errs...))
}

// artifact is a manifest with its blobs.
type artifact struct {
	blobs    [][]byte
	manifest []byte
	desc     orlop.Descriptor
}

func (e *env) artifact(name string) artifact {
	e.Helper()
	a := artifact{blobs: [][]byte{[]byte("{}"), []byte(name), append(content(70<<10), name...)}}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: describe(a.blobs[0])}
	m.SchemaVersion = 2
	for _, b := range a.blobs[1:] {
		m.Layers = append(m.Layers, describe(b))
	}
	a.manifest = e.json(m)
	a.desc = orlop.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(a.manifest), Size: int64(len(a.manifest))}
	return a
}

// push pushes an artifact; it may be called from any goroutine.
func (e *env) push(a artifact, tags ...string) error {
	for i, b := range a.blobs {
		var err error
		if i%2 == 0 || e.Options.NoUpload {
			err = e.PushBlob(e.Context(), e.repo, describe(b), bytes.NewReader(b))
		} else {
			err = e.pushByUpload(b)
		}
		if err != nil {
			return fmt.Errorf("blob %d: %w", i, err)
		}
	}
	if _, err := e.PushManifest(e.Context(), e.repo, "", a.manifest, tags...); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

func (e *env) pushByUpload(b []byte) error {
	w, err := e.Upload(e.Context(), e.repo, "")
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(b); err != nil {
		return err
	}
	_, err = w.Commit(e.Context(), digest.FromBytes(b))
	return err
}

func testParallelArtifacts(e *env) {
	var artifacts []artifact
	var tags []string
	for i := range pushers {
		artifacts = append(artifacts, e.artifact(fmt.Sprint("artifact ", i)))
		tags = append(tags, fmt.Sprintf("tag-%02d", i))
	}
	e.together(func(i int) error { return e.push(artifacts[i], tags[i]) })
	e.wantList("tags", collect(e, e.Tags(e.Context(), e.repo, "")), tags)
	for i, a := range artifacts {
		e.wantManifest(e.repo, tags[i], a.desc, a.manifest)
		for _, b := range a.blobs {
			e.wantBlob(e.repo, digest.FromBytes(b), b)
		}
	}
}

func testParallelSame(e *env) {
	a := e.artifact("the same")
	e.together(func(int) error { return e.push(a, "tag") })
	e.wantManifest(e.repo, "tag", a.desc, a.manifest)
	for _, b := range a.blobs {
		e.wantBlob(e.repo, digest.FromBytes(b), b)
	}
}

// testParallelTag moves two tags at once. Both are set together, so at the end
// they agree.
func testParallelTag(e *env) {
	var artifacts []artifact
	for i := range pushers {
		artifacts = append(artifacts, e.artifact(fmt.Sprint("contender ", i)))
	}
	e.together(func(i int) error { return e.push(artifacts[i], "one", "two") })
	one, err := e.Resolve(e.Context(), e.repo, "one")
	e.must("resolve", err)
	two, err := e.Resolve(e.Context(), e.repo, "two")
	e.must("resolve", err)
	if one.Digest != two.Digest {
		e.Errorf("one names %s, two names %s", one.Digest, two.Digest)
	}
	if !slices.ContainsFunc(artifacts, func(a artifact) bool { return a.desc.Digest == one.Digest }) {
		e.Errorf("the tags name %s, which nobody pushed", one.Digest)
	}
	for _, a := range artifacts {
		e.wantManifest(e.repo, string(a.desc.Digest), a.desc, a.manifest)
	}
}

// testParallelDelete reads a tag that comes and goes: it is there whole, or it
// is not there.
func testParallelDelete(e *env) {
	a := e.artifact("comes and goes")
	e.must("push", e.push(a))
	e.together(func(i int) error {
		for range 20 {
			if i%2 == 0 || e.Options.NoUpload {
				if _, err := e.PushManifest(e.Context(), e.repo, "", a.manifest, "tag"); err != nil {
					return err
				}
				err := e.DeleteTag(e.Context(), e.repo, "tag")
				if err != nil && !errors.Is(err, orlop.ErrManifestUnknown) {
					return err
				}
				continue
			}
			m, err := e.Manifest(e.Context(), e.repo, "tag")
			if err != nil && !errors.Is(err, orlop.ErrManifestUnknown) {
				return err
			}
			if err == nil && !bytes.Equal(m.Raw, a.manifest) {
				return fmt.Errorf("read %d bytes of another manifest", len(m.Raw))
			}
		}
		return nil
	})
	e.wantManifest(e.repo, string(a.desc.Digest), a.desc, a.manifest)
}
