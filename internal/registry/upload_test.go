package registry

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// objects counts what the blob store holds.
func objects(t *testing.T, list iter.Seq2[blob.Info, error]) int {
	t.Helper()
	n := 0
	for _, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// send goes on with an upload by one request that ends with Close.
func send(t *testing.T, r *Registry, id, content string) string {
	t.Helper()
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(u, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	return u.ID()
}

func TestUploadOverRequests(t *testing.T) { eachEngine(t, testUploadOverRequests) }

func testUploadOverRequests(t *testing.T, e engine) {
	for name, parts := range map[string][]string{
		"small":                 {"he", "ll", "o"},
		"grows out of the row":  {"hello", strings.Repeat("x", 300), "end"},
		"large from the start":  {strings.Repeat("y", 300), "z"},
		"nothing":               {"", ""},
		"an empty part between": {"a", "", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			r := e.open(t, Options{SmallBlob: 100})
			id, total := "", ""
			for _, part := range parts {
				id = send(t, r, id, part)
				total += part
				if off, err := r.UploadOffset(t.Context(), "a", id); err != nil || off != int64(len(total)) {
					t.Fatalf("offset %d, %v; want %d", off, err, len(total))
				}
			}
			u, err := r.Upload(t.Context(), "a", id)
			if err != nil {
				t.Fatal(err)
			}
			d := digest.FromString(total)
			if _, err := u.Commit(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if got, err := r.readBlob(t.Context(), "a", d, 1000); err != nil || string(got) != total {
				t.Fatalf("read %q, %v", got, err)
			}
		})
	}
}

func TestUploadCutKeepsWhatArrived(t *testing.T) { eachEngine(t, testUploadCutKeepsWhatArrived) }

func testUploadCutKeepsWhatArrived(t *testing.T, e engine) {
	r := e.open(t, Options{SmallBlob: 4})
	u, err := r.Upload(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	body := io.MultiReader(strings.NewReader("0123456789"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := io.Copy(u, body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("cut body: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if off, err := r.UploadOffset(t.Context(), "a", u.ID()); off != 10 || err != nil {
		t.Fatalf("offset %d, %v", off, err)
	}
}

func TestUploadWrongDigestLeavesNothing(t *testing.T) {
	eachEngine(t, testUploadWrongDigestLeavesNothing)
}

func testUploadWrongDigestLeavesNothing(t *testing.T, e engine) {
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 4})
	for _, content := range []string{"abc", "longer than four"} {
		err := r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: digest.FromString("other"), Size: int64(len(content))}, strings.NewReader(content))
		if !errors.Is(err, orlop.ErrDigestInvalid) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

func TestUploadIDIsBound(t *testing.T) { eachEngine(t, testUploadIDIsBound) }

func testUploadIDIsBound(t *testing.T, e engine) {
	now := time.Now()
	r := e.open(t, Options{Now: func() time.Time { return now }, UploadLife: time.Hour})
	id := send(t, r, "", "hello")
	other := r.Service.Registry(meta.DefaultRegistry, Actor{ID: "2"})
	for name, use := range map[string]func() error{
		"another actor":      func() error { _, err := other.Upload(t.Context(), "a", id); return err },
		"another actor asks": func() error { _, err := other.UploadOffset(t.Context(), "a", id); return err },
		"another repository": func() error { _, err := r.Upload(t.Context(), "b", id); return err },
		"edited":             func() error { _, err := r.Upload(t.Context(), "a", flipped0(id)); return err },
		"short":              func() error { _, err := r.Upload(t.Context(), "a", id[:20]); return err },
		"not hex":            func() error { _, err := r.Upload(t.Context(), "a", strings.Repeat("/", len(id))); return err },
		"expired": func() error {
			now = now.Add(2 * time.Hour)
			defer func() { now = now.Add(-2 * time.Hour) }()
			_, err := r.Upload(t.Context(), "a", id)
			return err
		},
	} {
		if err := use(); !errors.Is(err, orlop.ErrUploadUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if off, err := r.UploadOffset(t.Context(), "a", id); off != 5 || err != nil {
		t.Errorf("its owner: %d, %v", off, err)
	}
}

func TestUploadByOneRequestAtATime(t *testing.T) { eachEngine(t, testUploadByOneRequestAtATime) }

func testUploadByOneRequestAtATime(t *testing.T, e engine) {
	r := e.open(t, Options{})
	id := send(t, r, "", "hello")
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Upload(t.Context(), "a", id)
	if e, ok := errors.AsType[*orlop.Error](err); !ok || e.HTTPStatus() != 409 {
		t.Errorf("second request: %v", err)
	}
	u.Close()
	if u, err = r.Upload(t.Context(), "a", id); err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	u.Close()
}

func TestUploadCancel(t *testing.T) { eachEngine(t, testUploadCancel) }

func testUploadCancel(t *testing.T, e engine) {
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 2})
	id := send(t, r, "", "hello")
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Upload(t.Context(), "a", id); !errors.Is(err, orlop.ErrUploadUnknown) {
		t.Errorf("a cancelled upload goes on: %v", err)
	}
	if _, err := r.UploadOffset(t.Context(), "a", id); !errors.Is(err, orlop.ErrUploadUnknown) {
		t.Errorf("a cancelled upload has an offset: %v", err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

func TestExpiredUploadIsSwept(t *testing.T) { eachEngine(t, testExpiredUploadIsSwept) }

func testExpiredUploadIsSwept(t *testing.T, e engine) {
	now := time.Now()
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 2, Now: func() time.Time { return now }, UploadLife: time.Hour})
	send(t, r, "", "hello")
	if err := sweep(t, r); err != nil || objects(t, blobs.List(t.Context(), "")) != 1 {
		t.Fatalf("a live upload is swept, %v", err)
	}
	now = now.Add(2 * time.Hour)
	if err := sweep(t, r); err != nil {
		t.Fatal(err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

// TestUploadIDUsedAgain: a client whose answer was lost in a crash sends the whole
// upload again, when nobody remembers that it has ended. What the first one
// stored must not suffer, whatever the second one brings.
func TestUploadIDUsedAgain(t *testing.T) {
	e := engine(onSQLite) // alone: shared databases are in nodes_test.go
	now := time.Now()
	first, second := bytes.Repeat([]byte("1"), 100), bytes.Repeat([]byte("2"), 100)
	for name, again := range map[string][]byte{"the same content": first, "other content": second} {
		t.Run(name, func(t *testing.T) {
			r := e.openOn(t, mem.New(mem.Options{}), Options{SmallBlob: 2, Now: func() time.Time { return now }})
			id := send(t, r, "", string(first[:50]))
			commitUpload(t, r, id, first[50:], first)
			restarted, err := New(r.db, r.blobs, r.opts)
			if err != nil {
				t.Fatal(err)
			}
			r = restarted.Registry(meta.DefaultRegistry, r.actor)
			commitUpload(t, r, id, again, again)
			now = now.Add(23 * time.Hour) // of the grace of its blobs
			if err := sweep(t, r); err != nil {
				t.Fatal(err)
			}
			for _, want := range [][]byte{first, again} {
				got, err := r.readBlob(t.Context(), "a", digest.FromBytes(want), -1)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
}

// commitUpload sends the rest of an upload and commits the whole.
func commitUpload(t *testing.T, r *Registry, id string, rest, whole []byte) {
	t.Helper()
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(rest); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context(), digest.FromBytes(whole)); err != nil {
		t.Fatal(err)
	}
}

// TestUploadExpiresWhileItIsUsed sweeps an upload away between its last byte
// and its end: it fails, and no blob names the object that is gone.
func TestUploadExpiresWhileItIsUsed(t *testing.T) { eachEngine(t, testUploadExpiresWhileItIsUsed) }

func testUploadExpiresWhileItIsUsed(t *testing.T, e engine) {
	now := time.Now()
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 2, Now: func() time.Time { return now }, UploadLife: time.Hour})
	for name, sweepAt := range map[string]func(w *upload, b *meta.Blob) error{
		"before the content is made final": func(w *upload, b *meta.Blob) error { return sweep(t, r) },
		"after it": func(w *upload, b *meta.Blob) error {
			b.Key, b.Sums = w.row.Key, w.digest.Sums()
			return errors.Join(w.w.Commit(), sweep(t, r))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := r.Upload(t.Context(), "a", send(t, r, "", "hello"))
			if err != nil {
				t.Fatal(err)
			}
			u := w.(*upload)
			b := meta.Blob{Digest: digest.FromString("hello"), Size: 5}
			now = now.Add(2 * time.Hour)
			if err := sweepAt(u, &b); err != nil {
				t.Fatal(err)
			}
			if b.Key == "" {
				_, err = u.Commit(t.Context(), b.Digest)
			} else {
				err = u.publish(t.Context(), b)
			}
			if err == nil {
				t.Error("it succeeded")
			}
			if _, err := r.StatBlob(t.Context(), "a", b.Digest); !errors.Is(err, orlop.ErrBlobUnknown) {
				t.Errorf("a blob without content is there: %v", err)
			}
		})
	}
}

// TestSameBlobTwice stores one object however many push it.
func TestSameBlobTwice(t *testing.T) { eachEngine(t, testSameBlobTwice) }

func testSameBlobTwice(t *testing.T, e engine) {
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 2})
	content := []byte("the same content")
	desc := orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	for _, repo := range []string{"a", "b", "a"} {
		if err := r.PushBlob(t.Context(), repo, desc, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 1 {
		t.Errorf("%d objects", n)
	}
	if _, err := r.StatBlob(t.Context(), "c", desc.Digest); !errors.Is(err, orlop.ErrBlobUnknown) {
		t.Errorf("visible in a repository it was never pushed to: %v", err)
	}
}

// TestDamage flips a byte of stored content and reads it.
func TestDamage(t *testing.T) { eachEngine(t, testDamage) }

func testDamage(t *testing.T, e engine) {
	blobs := &flipping{Store: mem.New(mem.Options{})}
	r := e.openOn(t, blobs, Options{SmallBlob: 2})
	content := bytes.Repeat([]byte("0123456789"), 200_000) // two pieces
	desc := orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	if err := r.PushBlob(t.Context(), "a", desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	blobs.at = 1_500_000
	for _, rng := range [][2]int64{{0, -1}, {1_499_999, 2}, {1_900_000, 5}} {
		rd, err := r.OpenBlob(t.Context(), "a", desc.Digest, rng[0], rng[1])
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		_, err = io.Copy(&got, rd)
		rd.Close()
		if !errors.Is(err, orlop.ErrDamaged) {
			t.Errorf("range %v: %v", rng, err)
		}
		if !bytes.Equal(got.Bytes(), content[rng[0]:rng[0]+int64(got.Len())]) {
			t.Errorf("range %v: a damaged byte was given out", rng)
		}
	}
	rd, err := r.OpenBlob(t.Context(), "a", desc.Digest, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	if got, err := io.ReadAll(rd); err != nil || len(got) != 1000 {
		t.Errorf("a piece that is whole: %v", err)
	}
}

// flipping is a store whose objects have one bit wrong at an offset.
type flipping struct {
	blob.Store
	at int64
}

func (f *flipping) Open(ctx context.Context, key string) (blob.Object, error) {
	obj, err := f.Store.Open(ctx, key)
	return flipped{obj, f.at}, err
}

type flipped struct {
	blob.Object
	at int64
}

func (f flipped) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Object.ReadAt(p, off)
	if f.at >= off && f.at < off+int64(n) {
		p[f.at-off] ^= 1
	}
	return n, err
}

// flipped0 changes the first hex digit of an id.
func flipped0(id string) string {
	if id[0] == '0' {
		return "1" + id[1:]
	}
	return "0" + id[1:]
}

// TestFullDiskKeepsWhatWasAcknowledged fills the store in the middle of the
// second request of an upload: the first request's bytes stay, and the upload
// goes on from them when there is space again.
func TestFullDiskKeepsWhatWasAcknowledged(t *testing.T) {
	eachEngine(t, testFullDiskKeepsWhatWasAcknowledged)
}

func testFullDiskKeepsWhatWasAcknowledged(t *testing.T, e engine) {
	blobs := mem.New(mem.Options{Capacity: 1000})
	r := e.openOn(t, blobs, Options{SmallBlob: 2})
	first, second := strings.Repeat("1", 600), strings.Repeat("2", 600)
	id := send(t, r, "", first)
	u, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte(second)); !errors.Is(err, orlop.ErrStorageFull) {
		t.Fatalf("write to a full store: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if off, err := r.UploadOffset(t.Context(), "a", id); off != 600 || err != nil {
		t.Fatalf("offset %d, %v", off, err)
	}
	send(t, r, id, second[:400])
	if u, err = r.Upload(t.Context(), "a", id); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context(), digest.FromString(first+second[:400])); err != nil {
		t.Error(err)
	}
	err = r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: digest.FromString(second), Size: 600}, strings.NewReader(second))
	if !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("push to a full store: %v", err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 1 {
		t.Errorf("%d objects, want the one that was committed", n)
	}
}

// TestDamageInDatabase changes what the database holds and reads it.
func TestDamageInDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	db, err := sqlmeta.Open(t.Context(), path, sqlmeta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	svc, err := New(db, mem.New(mem.Options{}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := svc.Registry(meta.DefaultRegistry, Actor{ID: "1"})
	pushArtifact(t, r, "a", "v1", 1)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, change := range []string{`UPDATE manifest_payloads SET payload = payload || ' '`, `UPDATE blob_contents SET content = x'00'`} {
		if _, err := raw.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Manifest(t.Context(), "a", "v1"); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("manifest: %v", err)
	}
	if _, err := r.StatBlob(t.Context(), "a", digest.FromString("config 1")); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("blob: %v", err)
	}
}
