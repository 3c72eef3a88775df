package registry

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// TestCutSpillIsRemoved dies while an upload outgrows its row. The client goes
// on with less, so that the blob ends in the database: the object of the first
// try is not forgotten.
func TestCutSpillIsRemoved(t *testing.T) {
	e := engine(onSQLite) // alone: shared databases are in nodes_test.go
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 10})
	id := send(t, r, "", "hello")
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte(strings.Repeat("x", 20))); err != nil {
		t.Fatal(err)
	}
	key := u.(*upload).row.Key
	restarted, err := New(r.db, r.blobs, r.opts)
	if err != nil {
		t.Fatal(err)
	}
	r = restarted.Registry(meta.DefaultRegistry, r.actor)
	send(t, r, id, "!")
	commitUpload(t, r, id, []byte("!"), []byte("hello!!"))
	checkOver(t, r, id)
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	var due []meta.Object
	if err := r.db.Update(t.Context(), func(tx *sqlmeta.Tx) (err error) {
		due, err = tx.ClaimObjects(sqlmeta.Step{Until: r.db.Now(), Rows: 10})
		return err
	}); err != nil || len(due) != 1 || due[0].Key != key {
		t.Errorf("to be removed if that had failed: %v, %v; want %q", due, err, key)
	}
}

// early runs a function before each object is made.
type early struct {
	blob.Store
	run func() error
}

func (e *early) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := e.run(); err != nil {
		return nil, err
	}
	return e.Store.Create(ctx, key)
}

// TestSweptBeforeItsObject sweeps an upload away after its row was made and
// before its object is: the object does not outlive the upload.
func TestSweptBeforeItsObject(t *testing.T) { eachEngine(t, testSweptBeforeItsObject) }

func testSweptBeforeItsObject(t *testing.T, e engine) {
	now := time.Now()
	blobs := mem.New(mem.Options{})
	hook := &early{Store: blobs}
	r := e.openOn(t, hook, Options{SmallBlob: 2, Now: func() time.Time { return now }, UploadLife: time.Hour})
	hook.run = func() error {
		now = now.Add(2 * time.Hour)
		return sweep(t, r)
	}
	content := "hello"
	err := r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: digest.FromString(content), Size: 5}, strings.NewReader(content))
	if !errors.Is(err, orlop.ErrUploadUnknown) {
		t.Errorf("an expired upload: %v", err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

// TestRowThatCannotBeWritten fills the database just as an upload outgrows its
// row: what was acknowledged stays, and Close finds nothing wrong with that.
func TestRowThatCannotBeWritten(t *testing.T) {
	full := false
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), sqlmeta.Options{Fault: func(point string) error {
		if full && point == "commit" {
			return sqlmeta.ErrFull
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	svc, err := New(db, mem.New(mem.Options{}), Options{SmallBlob: 10})
	if err != nil {
		t.Fatal(err)
	}
	r := svc.Registry(meta.DefaultRegistry, Actor{ID: "1"})
	id := send(t, r, "", "hello")
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	full = true
	if _, err := u.Write(make([]byte, 20)); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("write: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	full = false
	commitUpload(t, r, id, []byte("!"), []byte("hello!"))
}

// TestUploadIDInCapitals: an id is used in one spelling only, so that two
// requests cannot have the same upload.
func TestUploadIDInCapitals(t *testing.T) { eachEngine(t, testUploadIDInCapitals) }

func testUploadIDInCapitals(t *testing.T, e engine) {
	r := e.open(t, Options{})
	id := send(t, r, "", "hello")
	if _, err := r.Upload(t.Context(), "a", strings.ToUpper(id)); !errors.Is(err, orlop.ErrUploadUnknown) {
		t.Errorf("%v", err)
	}
}

// checkOver verifies that an upload is known no more.
func checkOver(t *testing.T, r *Registry, id string) {
	t.Helper()
	if _, err := r.Upload(t.Context(), "a", id); !errors.Is(err, orlop.ErrUploadUnknown) {
		t.Errorf("resume of an upload that has ended: %v", err)
	}
	if _, err := r.UploadOffset(t.Context(), "a", id); !errors.Is(err, orlop.ErrUploadUnknown) {
		t.Errorf("offset of an upload that has ended: %v", err)
	}
}

// checkNoRow verifies that nothing is stored of an upload.
func checkNoRow(t *testing.T, r *Registry, id string) {
	t.Helper()
	if _, err := r.db.Upload(t.Context(), r.id, id); !errors.Is(err, sqlmeta.ErrNotFound) {
		t.Errorf("row of upload: %v", err)
	}
}

// TestSpillAgain outgrows the row a second time after the first was cut: one
// object is left, the blob's.
func TestSpillAgain(t *testing.T) {
	e := engine(onSQLite) // alone: shared databases are in nodes_test.go
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 10})
	id := send(t, r, "", "hello")
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	rest := strings.Repeat("x", 20)
	if _, err := u.Write([]byte(rest)); err != nil {
		t.Fatal(err)
	}
	restarted, err := New(r.db, r.blobs, r.opts)
	if err != nil {
		t.Fatal(err)
	}
	r = restarted.Registry(meta.DefaultRegistry, r.actor)
	commitUpload(t, r, id, []byte(rest), []byte("hello"+rest))
	if n := objects(t, blobs.List(t.Context(), "")); n != 1 {
		t.Errorf("%d objects, want the blob's", n)
	}
	checkNoRow(t, r, id)
}

// TestNothingArrivedLeavesNothing ends requests that bring nothing, fail, or
// bring what is wrong.
func TestNothingArrivedLeavesNothing(t *testing.T) {
	e := engine(onSQLite) // alone: shared databases are in nodes_test.go
	blobs := mem.New(mem.Options{Capacity: 100})
	r := e.openOn(t, blobs, Options{SmallBlob: 10})
	checkNoRow(t, r, send(t, r, "", ""))

	u, err := r.Upload(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(make([]byte, 200)); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("write to a full store: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	checkNoRow(t, r, u.ID())

	id := send(t, r, "", strings.Repeat("x", 20))
	if u, err = r.Upload(t.Context(), "a", id); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context(), digest.FromString("other")); !errors.Is(err, orlop.ErrDigestInvalid) {
		t.Errorf("wrong digest: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	checkOver(t, r, id)
	checkNoRow(t, r, id)
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

// TestCancelledStaysSo cancels an upload that has a row, also over a restart.
func TestCancelledStaysSo(t *testing.T) { eachEngine(t, testCancelledStaysSo) }

func testCancelledStaysSo(t *testing.T, e engine) {
	r := e.open(t, Options{SmallBlob: 10})
	id := send(t, r, "", "hello")
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkOver(t, r, id)
	restarted, err := New(r.db, r.blobs, r.opts)
	if err != nil {
		t.Fatal(err)
	}
	checkOver(t, restarted.Registry(meta.DefaultRegistry, r.actor), id)
}

// TestSmallBlobLimit stores blobs of just the limit and just more.
func TestSmallBlobLimit(t *testing.T) { eachEngine(t, testSmallBlobLimit) }

func testSmallBlobLimit(t *testing.T, e engine) {
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 10})
	for want, content := range []string{"0123456789", "0123456789a"} {
		desc := orlop.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
		if err := r.PushBlob(t.Context(), "a", desc, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if n := objects(t, blobs.List(t.Context(), "")); n != want {
			t.Errorf("%d bytes: %d objects, want %d", len(content), n, want)
		}
	}
}
