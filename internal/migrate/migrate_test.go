package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
	"github.com/orlop/orlop/internal/testenv/pgtest"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

func TestMain(m *testing.M) {
	code := pgtest.Run(m)
	s3test.Stop()
	os.Exit(code)
}

// embedded is a side of SQLite and files in a directory.
func embedded(t *testing.T, dir string, o sqlmeta.Options) Side {
	t.Helper()
	o.KeepDeleted = time.Hour
	db, err := sqlmeta.Open(t.Context(), filepath.Join(dir, "orlop.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs, err := fs.Open(filepath.Join(dir, "blobs"), fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	return Side{"files " + dir, db, blobs}
}

// scaledOut is a side of PostgreSQL and S3.
func scaledOut(t *testing.T) Side {
	t.Helper()
	db, err := sqlmeta.OpenPostgres(t.Context(), pgtest.Database(t), sqlmeta.Options{KeepDeleted: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	bucket := s3test.New(t)
	for _, kv := range bucket.Env() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	blobs, err := s3.Open(t.Context(), s3.Options{Bucket: bucket.Name, Endpoint: bucket.Endpoint, Region: s3test.Region, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	return Side{"postgres and s3", db, blobs}
}

// engine opens the registry on a side. Blobs of 100 bytes and more are objects.
func engine(t *testing.T, s Side) *registry.Registry {
	t.Helper()
	svc, err := registry.New(s.DB, s.Blobs, registry.Options{SmallBlob: 99, Shared: s.DB.Shared()})
	if err != nil {
		t.Fatal(err)
	}
	return svc.Registry(meta.DefaultRegistry, registry.Actor{ID: "1", Name: "tester"})
}

func content(n int, size int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%7d ", n)), (size+7)/8)[:size]
}

// push pushes an artifact of a small and a large blob by a tag.
func push(t *testing.T, r *registry.Registry, repo, tag string, n, size int) orlop.Descriptor {
	t.Helper()
	var descs []ocispec.Descriptor
	for _, c := range [][]byte{content(n, 20), content(n, size)} {
		desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(c), Size: int64(len(c))}
		if err := r.PushBlob(t.Context(), repo, desc, bytes.NewReader(c)); err != nil {
			t.Fatal(err)
		}
		descs = append(descs, desc)
	}
	raw, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: descs[0], Layers: descs[1:]})
	if err != nil {
		t.Fatal(err)
	}
	desc, err := r.PushManifest(t.Context(), repo, ocispec.MediaTypeImageManifest, raw, tag)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

// pull reads everything that tags of a registry name: repository:tag@digest of
// all content.
func pull(t *testing.T, r *registry.Registry) []string {
	t.Helper()
	var found []string
	for repo, err := range r.Repositories(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		for tag, err := range r.Tags(t.Context(), repo, "") {
			if err != nil {
				t.Fatal(err)
			}
			m, err := r.Manifest(t.Context(), repo, tag)
			if err != nil {
				t.Fatal(err)
			}
			var parsed ocispec.Manifest
			if err := json.Unmarshal(m.Raw, &parsed); err != nil {
				t.Fatal(err)
			}
			line := repo + ":" + tag
			for _, desc := range append(parsed.Layers, parsed.Config) {
				line += "@" + pullBlob(t, r, repo, desc.Digest)
			}
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return found
}

// pullBlob reads a blob and returns the digest of what came, or the error.
func pullBlob(t *testing.T, r *registry.Registry, repo string, d digest.Digest) string {
	t.Helper()
	rd, err := r.OpenBlob(t.Context(), repo, d, 0, -1)
	if err != nil {
		return err.Error()
	}
	defer rd.Close()
	got, err := io.ReadAll(rd)
	if err != nil {
		return err.Error()
	}
	if digest.FromBytes(got) != d {
		t.Errorf("%s@%s is wrong", repo, d)
	}
	return string(digest.FromBytes(got))
}

// mustRun makes a pass that goes well.
func mustRun(t *testing.T, from, to Side, o Options) Report {
	t.Helper()
	report, err := Run(t.Context(), from, to, o)
	if err != nil {
		t.Fatalf("%v; %+v", err, report)
	}
	if o.Finish != report.Finished {
		t.Errorf("finished: %v", report.Finished)
	}
	return report
}

// TestThereAndBack moves a registry that is pushed to meanwhile to PostgreSQL and
// S3, and back.
func TestThereAndBack(t *testing.T) {
	from, to := embedded(t, t.TempDir(), sqlmeta.Options{}), scaledOut(t)
	r := engine(t, from)
	for n := range 12 {
		push(t, r, fmt.Sprintf("repo%d", n%3), fmt.Sprint("v", n), n, 200+n*100_000)
	}
	first := mustRun(t, from, to, Options{})
	if first.Objects != 12 {
		t.Errorf("%d objects were copied", first.Objects)
	}
	push(t, r, "late", "v1", 100, 5000)
	push(t, r, "repo0", "v0", 101, 5000) // the tag moves
	if err := r.DeleteTag(t.Context(), "repo1", "v1"); err != nil {
		t.Fatal(err)
	}
	gone := push(t, r, "repo2", "gone", 102, 5000)
	if err := r.DeleteManifest(t.Context(), "repo2", gone.Digest); err != nil {
		t.Fatal(err)
	}
	want := pull(t, r)
	second := mustRun(t, from, to, Options{Finish: true})
	if second.Objects != 3 || second.Written > 60 {
		t.Errorf("the second pass copied %d objects and wrote %d rows", second.Objects, second.Written)
	}
	if e := second.Equality; e == nil || e.Objects != 15 {
		t.Errorf("compared: %+v", e)
	}
	there := engine(t, to)
	if got := pull(t, there); !slices.Equal(got, want) {
		t.Errorf("there: %v\nwant: %v", got, want)
	}
	if err := there.Restore(t.Context(), "repo2", gone.Digest, "", false); err != nil {
		t.Errorf("restore what was deleted before the move: %v", err)
	}
	push(t, there, "there", "v1", 200, 3000)
	want = pull(t, there)

	back := embedded(t, t.TempDir(), sqlmeta.Options{})
	mustRun(t, to, back, Options{})
	mustRun(t, to, back, Options{Finish: true})
	if got := pull(t, engine(t, back)); !slices.Equal(got, want) {
		t.Errorf("back: %v\nwant: %v", got, want)
	}
	// Who is still on PostgreSQL must not lose what it acknowledges.
	desc := orlop.Descriptor{Digest: digest.FromString("late"), Size: 4}
	if err := there.PushBlob(t.Context(), "there", desc, strings.NewReader("late")); !errors.Is(err, orlop.ErrUnavailable) {
		t.Errorf("push to what has moved away: %v", err)
	}
	if got := pull(t, there); !slices.Equal(got, want) {
		t.Errorf("what has moved away cannot be read: %v", got)
	}
}

// killed is a store that stops working at its n-th call.
type killed struct {
	blob.Store
	plan *plan
}

// plan counts calls and fails from one on.
type plan struct{ calls, at int }

var errKilled = errors.New("killed")

func (p *plan) call() error {
	if p.calls++; p.at > 0 && p.calls >= p.at {
		return errKilled
	}
	return nil
}

func (k killed) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := k.plan.call(); err != nil {
		return nil, err
	}
	w, err := k.Store.Create(ctx, key)
	return killedWriter{w, k.plan}, err
}

func (k killed) Delete(ctx context.Context, key string) error {
	if err := k.plan.call(); err != nil {
		return err
	}
	return k.Store.Delete(ctx, key)
}

type killedWriter struct {
	blob.Writer
	plan *plan
}

// Write writes half of what it should when it is killed.
func (w killedWriter) Write(p []byte) (int, error) {
	if err := w.plan.call(); err != nil {
		n, _ := w.Writer.Write(p[:len(p)/2])
		return n, err
	}
	return w.Writer.Write(p)
}

func (w killedWriter) Commit() error {
	if err := w.plan.call(); err != nil {
		return err
	}
	return w.Writer.Commit()
}

// TestKilledAtEveryCall ends a move at its n-th write of any kind, for every n,
// and makes it again: nothing is lost, nothing that is half there is seen, and
// until the end the target says that it is not whole.
func TestKilledAtEveryCall(t *testing.T) {
	source := t.TempDir()
	for n := range 3 {
		push(t, engine(t, embedded(t, source, sqlmeta.Options{})), "repo", fmt.Sprint("v", n), n, 1<<20+n)
	}
	want := pull(t, engine(t, embedded(t, source, sqlmeta.Options{})))
	killed := func(t *testing.T, at int) (over bool) {
		from := embedded(t, source, sqlmeta.Options{})
		p, dir := &plan{at: at}, t.TempDir()
		to := embedded(t, dir, sqlmeta.Options{Fault: func(point string) error {
			if point != "commit" {
				return nil
			}
			return p.call()
		}})
		to.Blobs = killedStore(to.Blobs, p)
		report, err := Run(t.Context(), from, to, Options{Finish: true, Concurrency: 1})
		if err != nil && !errors.Is(err, errKilled) {
			t.Fatalf("call %d: %v", at, err)
		}
		over = err == nil
		if direction, _, err := to.DB.Moving(t.Context()); err != nil || over == (direction == sqlmeta.Here) && p.calls > 1 && at > 1 {
			t.Errorf("call %d: finished %v, and the target says %q, %v", at, report.Finished, direction, err)
		}
		to = embedded(t, dir, sqlmeta.Options{}) // as after a restart
		if !over {
			mustRun(t, from, to, Options{})
			mustRun(t, from, to, Options{Finish: true})
		}
		if got := pull(t, engine(t, to)); !slices.Equal(got, want) {
			t.Errorf("call %d: %v\nwant: %v", at, got, want)
		}
		if err := from.DB.Thaw(t.Context()); err != nil {
			t.Fatal(err)
		}
		return over
	}
	n := 1
	for !killed(t, n) {
		n++
	}
	if n < 20 {
		t.Errorf("only %d calls", n)
	}
}

func killedStore(s blob.Store, p *plan) blob.Store { return killed{s, p} }

// TestDamageStaysBehind damages an object of the source: it is reported and not
// copied, the move does not end without a word for that, and pushing heals.
func TestDamageStaysBehind(t *testing.T) {
	dir := t.TempDir()
	from, to := embedded(t, dir, sqlmeta.Options{}), embedded(t, t.TempDir(), sqlmeta.Options{})
	r := engine(t, from)
	push(t, r, "a", "good", 1, 3<<20)
	push(t, r, "a", "bad", 2, 3<<20)
	push(t, r, "a", "lost", 3, 3<<20)
	bad, lost := digest.FromBytes(content(2, 3<<20)), digest.FromBytes(content(3, 3<<20))
	for d, damage := range map[digest.Digest]func(path string) error{
		bad: func(path string) error {
			raw, err := os.ReadFile(path)
			raw[2_000_000] ^= 1
			return errors.Join(err, os.WriteFile(path, raw, 0o600))
		},
		lost: os.Remove,
	} {
		b, err := from.DB.Blob(t.Context(), 1, "a", d)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(filepath.Join(dir, "blobs", "data", b.Key[:2], b.Key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []Options{{}, {Finish: true}} {
		report, err := Run(t.Context(), from, to, o)
		if !errors.Is(err, ErrDamaged) || report.Finished {
			t.Errorf("%+v: %v", o, err)
		}
		got := map[string]bool{}
		for _, d := range report.Damaged {
			got[d.Digest] = true
		}
		if !maps.Equal(got, map[string]bool{string(bad): true, string(lost): true}) {
			t.Errorf("reported: %+v", report.Damaged)
		}
		if direction, _, err := from.DB.Moving(t.Context()); direction != "" || err != nil {
			t.Errorf("the source does not serve any more: %q %v", direction, err)
		}
	}
	if report, err := Run(t.Context(), from, to, Options{Finish: true, LeaveDamaged: true}); err != nil || len(report.Damaged) != 2 {
		t.Fatal(err)
	}
	there := engine(t, to)
	if got := pullBlob(t, there, "a", bad); !strings.Contains(got, "unknown") {
		t.Errorf("a damaged blob: %s", got)
	}
	push(t, there, "a", "bad", 2, 3<<20)
	if got := pullBlob(t, there, "a", bad); got != string(bad) {
		t.Errorf("pushed again: %s", got)
	}
}

// TestTargetMustBeEmpty refuses to mix two registries.
func TestTargetMustBeEmpty(t *testing.T) {
	from := embedded(t, t.TempDir(), sqlmeta.Options{})
	push(t, engine(t, from), "a", "v1", 1, 1000)
	used := embedded(t, t.TempDir(), sqlmeta.Options{})
	push(t, engine(t, used), "b", "v1", 2, 10)
	if _, err := Run(t.Context(), from, used, Options{}); !errors.Is(err, ErrOccupied) {
		t.Errorf("into a database in use: %v", err)
	}
	objects := embedded(t, t.TempDir(), sqlmeta.Options{})
	objects.Blobs = from.Blobs
	if _, err := Run(t.Context(), from, objects, Options{}); !errors.Is(err, ErrOccupied) {
		t.Errorf("into a blob store in use: %v", err)
	}
	to := embedded(t, t.TempDir(), sqlmeta.Options{})
	mustRun(t, from, to, Options{})
	other := embedded(t, t.TempDir(), sqlmeta.Options{})
	if _, err := Run(t.Context(), other, to, Options{}); !errors.Is(err, ErrOccupied) {
		t.Errorf("two sources: %v", err)
	}
	mustRun(t, from, to, Options{Finish: true})
	mustRun(t, from, to, Options{Finish: true}) // whoever has not heard of the end
	if _, err := Run(t.Context(), from, other, Options{}); err == nil {
		t.Error("what has moved away was moved again")
	}
}
