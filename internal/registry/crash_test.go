package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/faultfs"
	"github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// world is an engine whose storage may lose power: the files are simulated, the
// database is a real one whose commits count as calls of the same plan.
type world struct {
	files *faultfs.FS
	db    *sqlmeta.DB
	reg   *Registry
}

// openWorld opens an engine on files and the database at path.
func openWorld(ctx context.Context, files *faultfs.FS, path string) (*world, error) {
	db, err := sqlmeta.Open(ctx, path, sqlmeta.Options{KeepDeleted: 7 * 24 * time.Hour, Fault: func(string) error {
		_, err := files.Stat(".") // counts as a call, and fails after the crash
		return err
	}})
	if err != nil {
		return nil, err
	}
	blobs, err := fs.OpenFS(files, fs.Options{})
	if err != nil {
		db.Close()
		return nil, err
	}
	svc, err := New(db, blobs, Options{SmallBlob: 1 << 10})
	if err != nil {
		db.Close()
		return nil, err
	}
	return &world{files, db, svc.Registry(meta.DefaultRegistry, Actor{ID: "1", Name: "tester"})}, nil
}

// acknowledged is what the engine has said to have done.
type acknowledged struct {
	blobs     map[digest.Digest][]byte
	manifests map[digest.Digest][]byte
	tags      map[string]digest.Digest // "" for a deleted one
	gone      map[digest.Digest]bool
	kept      map[digest.Digest][]byte // deleted, to be restored
	locks     map[string]meta.Locks    // of tags
	upload    string                   // id of an upload, and how much of it was acknowledged
	offset    int64
	// failed: a call of the storage has failed, so that an upload may have lost
	// what it had: bytes whose sync failed are never trusted again.
	failed bool
	// underWay names what the step that was not acknowledged may have changed.
	underWay map[string]bool
}

func nothing() *acknowledged {
	return &acknowledged{
		blobs: map[digest.Digest][]byte{}, manifests: map[digest.Digest][]byte{}, tags: map[string]digest.Digest{},
		gone: map[digest.Digest]bool{}, kept: map[digest.Digest][]byte{}, locks: map[string]meta.Locks{}, underWay: map[string]bool{},
	}
}

// begin notes what a step may change; done notes that it was acknowledged.
func (a *acknowledged) begin(names ...string) {
	for _, name := range names {
		a.underWay[name] = true
	}
}

func (a *acknowledged) done() { clear(a.underWay) }

// work does one of each: every step that the engine acknowledges is noted, and
// the first error ends it.
func (w *world) work(ctx context.Context, ack *acknowledged) error {
	small, large := []byte("a small blob"), bytes.Repeat([]byte("0123456789abcdef"), 4096)
	chunked := bytes.Repeat([]byte("chunk"), 5000)
	sha512 := append([]byte("sha512 "), large...)
	for _, b := range []struct {
		alg     digest.Algorithm
		content []byte
	}{{digest.SHA256, small}, {digest.SHA256, large}, {digest.SHA512, sha512}} {
		d := b.alg.FromBytes(b.content)
		if err := w.reg.PushBlob(ctx, "a", orlop.Descriptor{Digest: d, Size: int64(len(b.content))}, bytes.NewReader(b.content)); err != nil {
			return err
		}
		ack.blobs[d] = b.content
	}
	if err := w.chunked(ctx, ack, chunked); err != nil {
		return err
	}
	if _, err := w.push(ctx, ack, small, large, "one", "v1", "v2"); err != nil {
		return err
	}
	second, err := w.push(ctx, ack, small, chunked, "two", "v1")
	if err != nil {
		return err
	}
	if err := w.remove(ctx, ack, second, digest.SHA512.FromBytes(sha512)); err != nil {
		return err
	}
	return w.restore(ctx, ack, second)
}

// restore brings back a manifest with a tag and locks that.
func (w *world) restore(ctx context.Context, ack *acknowledged, d digest.Digest) error {
	ack.begin("v1", string(d))
	if err := w.reg.Restore(ctx, "a", d, "v1", false); err != nil {
		return err
	}
	ack.done()
	ack.tags["v1"], ack.manifests[d] = d, ack.kept[d]
	delete(ack.gone, d)
	delete(ack.kept, d)
	ack.begin("lock")
	if _, err := w.reg.LockTag(ctx, "a", "v1", meta.LockChange{Set: meta.NoWrite}); err != nil {
		return err
	}
	ack.done()
	ack.locks["v1"] = meta.NoWrite
	return nil
}

// chunked uploads content in three requests.
func (w *world) chunked(ctx context.Context, ack *acknowledged, content []byte) error {
	cuts := []int{0, 500, 9000, len(content)}
	id := ""
	for i := range 3 {
		u, err := w.reg.Upload(ctx, "a", id)
		if err != nil {
			return err
		}
		if _, err := u.Write(content[cuts[i]:cuts[i+1]]); err != nil {
			u.Close()
			return err
		}
		if i == 2 {
			ack.begin(id)
			if _, err := u.Commit(ctx, digest.FromBytes(content)); err != nil {
				u.Close()
				return err
			}
			ack.done()
			ack.upload = ""
			ack.blobs[digest.FromBytes(content)] = content
			return nil
		}
		if err := u.Close(); err != nil {
			return err
		}
		id = u.ID()
		ack.upload, ack.offset = id, int64(cuts[i+1])
	}
	return nil
}

// push pushes a manifest of two blobs under tags.
func (w *world) push(ctx context.Context, ack *acknowledged, config, layer []byte, note string, tags ...string) (digest.Digest, error) {
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"a/b","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"a/c","digest":%q,"size":%d}],"annotations":{"note":%q}}`,
		ocispec.MediaTypeImageManifest, digest.FromBytes(config), len(config), digest.FromBytes(layer), len(layer), note)
	ack.begin(tags...)
	desc, err := w.reg.PushManifest(ctx, "a", "", raw, tags...)
	if err != nil {
		return "", err
	}
	ack.done()
	ack.manifests[desc.Digest] = raw
	for _, tag := range tags {
		ack.tags[tag] = desc.Digest
	}
	return desc.Digest, nil
}

// remove deletes a tag, a manifest with a tag, and a blob.
func (w *world) remove(ctx context.Context, ack *acknowledged, second, blob digest.Digest) error {
	ack.begin("v2")
	if err := w.reg.DeleteTag(ctx, "a", "v2"); err != nil {
		return err
	}
	ack.done()
	ack.tags["v2"] = ""
	ack.begin("v1", string(second))
	if err := w.reg.DeleteManifest(ctx, "a", second); err != nil {
		return err
	}
	ack.done()
	ack.tags["v1"], ack.gone[second], ack.kept[second] = "", true, ack.manifests[second]
	delete(ack.manifests, second)
	if err := w.reg.MountBlob(ctx, "b", "a", blob); err != nil {
		return err
	}
	ack.begin(string(blob))
	if err := w.reg.DeleteBlob(ctx, "a", blob); err != nil {
		return err
	}
	ack.done()
	ack.gone[blob] = true
	delete(ack.blobs, blob)
	return nil
}

// TestCrashAtEveryCall cuts the power at the n-th storage call of a sequence of
// pushes and deletions, for every n, and opens the store again: everything
// acknowledged is there, and nothing half-done is visible.
func TestCrashAtEveryCall(t *testing.T) {
	template := filepath.Join(t.TempDir(), "template.db")
	makeTemplate(t, template)
	points := 0
	for n := 1; ; n++ {
		if !crashAt(t, template, n) {
			break
		}
		points++
	}
	t.Logf("%d crash points", points)
	if points < 50 {
		t.Errorf("only %d crash points: the plan does not reach the storage", points)
	}
}

// makeTemplate makes a database with the schema, to be copied for each run.
func makeTemplate(t *testing.T, path string) {
	t.Helper()
	w, err := openWorld(t.Context(), faultfs.New(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// crashAt runs the work with a crash at call n after the store was opened, and
// checks what is left. It reports false if the work needed fewer calls.
func crashAt(t *testing.T, template string, n int) bool {
	t.Helper()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "meta.db")
	content, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	files := faultfs.New()
	w, err := openWorld(ctx, files, path)
	if err != nil {
		t.Fatal(err)
	}
	files.CrashAt(files.Calls() + n)
	ack := nothing()
	workErr := w.work(ctx, ack)
	w.db.Close()
	if !files.Crashed() {
		if workErr != nil {
			t.Fatalf("without a crash: %v", workErr)
		}
		return false
	}
	if workErr == nil {
		t.Fatalf("call %d: the crash went unnoticed", n)
	}
	after, err := openWorld(ctx, files.Reboot(int64(n)), path)
	if err != nil {
		t.Fatalf("call %d: cannot open again: %v", n, err)
	}
	defer after.db.Close()
	if err := after.check(ctx, ack); err != nil {
		t.Errorf("crash at call %d (%v): %v", n, workErr, err)
	}
	return true
}

// check verifies what was acknowledged, and that all that is visible is whole.
func (w *world) check(ctx context.Context, ack *acknowledged) error {
	var errs []error
	for d, content := range ack.blobs {
		if ack.underWay[string(d)] {
			continue
		}
		if got, err := w.reg.readBlob(ctx, "a", d, 1<<20); err != nil || !bytes.Equal(got, content) {
			errs = append(errs, fmt.Errorf("blob %s lost: %v", d, err))
		}
	}
	for d, raw := range ack.manifests {
		if ack.underWay[string(d)] {
			continue
		}
		if m, err := w.reg.Manifest(ctx, "a", string(d)); err != nil || !bytes.Equal(m.Raw, raw) {
			errs = append(errs, fmt.Errorf("manifest %s lost: %v", d, err))
		}
	}
	for d := range ack.gone {
		if ack.underWay[string(d)] {
			continue
		}
		_, merr := w.reg.Manifest(ctx, "a", string(d))
		_, berr := w.reg.StatBlob(ctx, "a", d)
		if merr == nil || berr == nil {
			errs = append(errs, fmt.Errorf("%s was deleted and is back", d))
		}
	}
	errs = append(errs, w.checkTags(ctx, ack), w.checkUpload(ctx, ack), w.checkWhole(ctx), w.checkKept(ctx, ack))
	return errors.Join(errs...)
}

// checkKept verifies that what was deleted can be restored, and that locks hold.
func (w *world) checkKept(ctx context.Context, ack *acknowledged) error {
	for d, raw := range ack.kept {
		if err := w.reg.Restore(ctx, "a", d, "back", false); err != nil {
			return fmt.Errorf("%s cannot be restored: %w", d, err)
		}
		if m, err := w.reg.Manifest(ctx, "a", "back"); err != nil || !bytes.Equal(m.Raw, raw) {
			return fmt.Errorf("%s is not what it was: %w", d, err)
		}
		if err := w.checkArtifact(ctx, "a", "back"); err != nil {
			return fmt.Errorf("%s is restored and not whole: %w", d, err)
		}
	}
	for tag, locks := range ack.locks {
		if info, err := w.reg.TagInfo(ctx, "a", tag); err != nil || info.Locks != locks {
			return fmt.Errorf("locks of %s are %b, %b were acknowledged: %v", tag, info.Locks, locks, err)
		}
	}
	return nil
}

// checkTags verifies that each acknowledged move of a tag holds.
func (w *world) checkTags(ctx context.Context, ack *acknowledged) error {
	for tag, want := range ack.tags {
		if ack.underWay[tag] {
			continue
		}
		desc, err := w.reg.Resolve(ctx, "a", tag)
		got := desc.Digest
		if err != nil && !errors.Is(err, orlop.ErrManifestUnknown) {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
		if got != want {
			return fmt.Errorf("tag %s names %q, %q was acknowledged", tag, got, want)
		}
	}
	return nil
}

// checkUpload verifies that an upload goes on from what was acknowledged.
func (w *world) checkUpload(ctx context.Context, ack *acknowledged) error {
	rest := bytes.Repeat([]byte("chunk"), 5000)
	if _, err := w.reg.StatBlob(ctx, "a", digest.FromBytes(rest)); err == nil || ack.upload == "" {
		return nil // committed, whether that was answered or not
	}
	u, err := w.reg.Upload(ctx, "a", ack.upload)
	if errors.Is(err, orlop.ErrUploadUnknown) && ack.failed && ack.underWay[ack.upload] {
		return nil
	}
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	defer u.Close()
	if u.Offset() < ack.offset {
		return fmt.Errorf("upload is at %d, %d was acknowledged", u.Offset(), ack.offset)
	}
	if _, err := u.Write(rest[u.Offset():]); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if _, err := u.Commit(ctx, digest.FromBytes(rest)); err != nil {
		return fmt.Errorf("commit of a resumed upload: %w", err)
	}
	return nil
}

// checkWhole reads everything that is visible.
func (w *world) checkWhole(ctx context.Context) error {
	for repo, err := range w.reg.Repositories(ctx, "") {
		if err != nil {
			return err
		}
		for tag, err := range w.reg.Tags(ctx, repo, "") {
			if err != nil {
				return err
			}
			if err := w.checkArtifact(ctx, repo, tag); err != nil {
				return fmt.Errorf("%s:%s is visible and not whole: %w", repo, tag, err)
			}
		}
	}
	return nil
}

func (w *world) checkArtifact(ctx context.Context, repo, reference string) error {
	m, err := w.reg.Manifest(ctx, repo, reference)
	if err != nil {
		return err
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		return err
	}
	for _, d := range append(info.Layers, *info.Config) {
		rd, err := w.reg.OpenBlob(ctx, repo, d.Digest, 0, -1)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(rd)
		rd.Close()
		if err != nil {
			return err
		}
		if digest.FromBytes(got) != d.Digest {
			return fmt.Errorf("blob %s has other content", d.Digest)
		}
	}
	return nil
}

// TestFailAtEveryCall makes the n-th storage call fail, for every n: the error
// reaches the caller, or the work is done; what is visible is whole, and the
// store goes on to work.
func TestFailAtEveryCall(t *testing.T) {
	template := filepath.Join(t.TempDir(), "template.db")
	makeTemplate(t, template)
	content, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		path := filepath.Join(t.TempDir(), "meta.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		files := faultfs.New()
		w, err := openWorld(t.Context(), files, path)
		if err != nil {
			t.Fatal(err)
		}
		opened := files.Calls()
		files.FailAt(opened+n, errors.New("injected"))
		ack := nothing()
		ack.failed = true
		err = w.work(t.Context(), ack)
		if err != nil && !strings.Contains(err.Error(), "injected") {
			t.Errorf("call %d: the cause is not told: %v", n, err)
		}
		if files.Calls() < opened+n {
			w.db.Close()
			return
		}
		if err := w.check(t.Context(), ack); err != nil {
			t.Errorf("failure of call %d: %v", n, err)
		}
		w.db.Close()
	}
}
