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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/testenv/pgtest"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		defer s3test.Stop()
		return pgtest.Run(m)
	}())
}

// cluster is two nodes on the same stores, as two processes would be: they know
// nothing of each other but what is stored.
type cluster struct {
	blobs blob.Store
	nodes [2]*Registry
	now   atomic.Int64 // seconds that were added to the clock
}

// clusters runs a test on the stores that nodes can share: SQLite that only says
// so, with content in memory, and PostgreSQL with a bucket.
func clusters(t *testing.T, test func(t *testing.T, open func(t *testing.T) *cluster)) {
	t.Run("SQLite and memory", func(t *testing.T) { test(t, openCluster) })
	t.Run("PostgreSQL and S3", func(t *testing.T) { test(t, openRealCluster) })
}

func openCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{blobs: mem.New(mem.Options{})}
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), sqlmeta.Options{Now: c.time})
	c.open(t, 0, db, err)
	c.open(t, 1, db, nil)
	return c
}

func openRealCluster(t *testing.T) *cluster {
	t.Helper()
	bucket := s3test.New(t)
	blobs, err := s3.Open(t.Context(), s3.Options{
		Bucket: bucket.Name, Endpoint: bucket.Endpoint, Region: s3test.Region, KeyID: s3test.KeyID, Secret: s3test.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	c := &cluster{blobs: blobs}
	url := pgtest.Prepared(t, func(ctx context.Context, url string) error {
		db, err := sqlmeta.OpenPostgres(ctx, url, sqlmeta.Options{})
		if err != nil {
			return err
		}
		return db.Close()
	})
	for i := range c.nodes {
		db, err := sqlmeta.OpenPostgres(t.Context(), url, sqlmeta.Options{Now: c.time})
		c.open(t, i, db, err)
	}
	return c
}

// open makes a node on a database.
func (c *cluster) open(t *testing.T, node int, db *sqlmeta.DB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	svc, err := New(db, c.blobs, Options{SmallBlob: 10, Shared: true, Now: c.time})
	if err != nil {
		t.Fatal(err)
	}
	c.nodes[node] = svc.Registry(meta.DefaultRegistry, Actor{ID: "1", Name: "tester"})
}

func (c *cluster) time() time.Time { return time.Now().Add(time.Duration(c.now.Load()) * time.Second) }

// pass lets time go by.
func (c *cluster) pass(d time.Duration) { c.now.Add(int64(d / time.Second)) }

// busy tells whether an error is that another request has the upload.
func busy(err error) bool {
	e, ok := errors.AsType[*orlop.Error](err)
	return ok && e.Code == orlop.CodeUploadInvalid && e.HTTPStatus() == 409
}

// TestNodesReadWhatOthersWrote changes everything on one node and reads it on
// the other at once, which has read it before.
func TestNodesReadWhatOthersWrote(t *testing.T) { clusters(t, testNodesReadWhatOthersWrote) }

func testNodesReadWhatOthersWrote(t *testing.T, open func(*testing.T) *cluster) {
	c := open(t)
	ctx, a, b := t.Context(), c.nodes[0], c.nodes[1]
	first, second := pushArtifact(t, a, "a", "v1", 1).Digest, pushArtifact(t, a, "a", "other", 2).Digest
	reads := func(want digest.Digest) {
		t.Helper()
		for _, node := range c.nodes {
			if m, err := node.Manifest(ctx, "a", "v1"); err != nil || m.Descriptor.Digest != want {
				t.Fatalf("v1 is %s, %v; want %s", m.Descriptor.Digest, err, want)
			}
		}
	}
	reads(first)
	m, err := b.Manifest(ctx, "a", "other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PushManifest(ctx, "a", m.Descriptor.MediaType, m.Raw, "v1"); err != nil {
		t.Fatal(err)
	}
	reads(second)
	if _, err := b.LockTag(ctx, "a", "v1", meta.LockChange{Set: meta.NoRead}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Manifest(ctx, "a", "v1"); !errors.Is(err, orlop.ErrDisallowed) {
		t.Errorf("a tag that is locked on the other node: %v", err)
	}
	if _, err := b.LockTag(ctx, "a", "v1", meta.LockChange{Clear: meta.NoRead}); err != nil {
		t.Fatal(err)
	}
	reads(second)
	if err := a.DeleteManifest(ctx, "a", second); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{"v1", "other", string(second)} {
		if _, err := b.Manifest(ctx, "a", reference); !errors.Is(err, orlop.ErrManifestUnknown) {
			t.Errorf("%s, deleted on the other node: %v", reference, err)
		}
	}
	config := digest.FromString("config 1")
	if _, err := a.StatBlob(ctx, "a", config); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DeleteRepository(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.StatBlob(ctx, "a", config); !errors.Is(err, orlop.ErrBlobUnknown) {
		t.Errorf("a blob of a repository that was deleted on the other node: %v", err)
	}
}

// TestNodesShareAnUpload sends every part of an upload to another node.
func TestNodesShareAnUpload(t *testing.T) { clusters(t, testNodesShareAnUpload) }

func testNodesShareAnUpload(t *testing.T, open func(*testing.T) *cluster) {
	for name, parts := range map[string][]string{
		"small":                {"he", "ll", "o"},
		"grows out of the row": {"hello", strings.Repeat("x", 30), "end"},
		"large":                {strings.Repeat("y", 30), "z", strings.Repeat("y", 30), "z"},
		"nothing":              {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			id, total := "", ""
			for i, part := range parts {
				id = send(t, c.nodes[i%2], id, part)
				total += part
				if off, err := c.nodes[(i+1)%2].UploadOffset(t.Context(), "a", id); err != nil || off != int64(len(total)) {
					t.Fatalf("offset %d, %v; want %d", off, err, len(total))
				}
			}
			commitUpload(t, c.nodes[1], id, []byte("!"), []byte(total+"!"))
			for _, node := range c.nodes {
				checkOver(t, node, id)
				if got, err := node.readBlob(t.Context(), "a", digest.FromString(total+"!"), -1); err != nil || string(got) != total+"!" {
					t.Errorf("read %q, %v", got, err)
				}
			}
		})
	}
}

// TestEndIsKnownEverywhere ends uploads in all ways on one node: no other takes
// them for new ones.
func TestEndIsKnownEverywhere(t *testing.T) { clusters(t, testEndIsKnownEverywhere) }

func testEndIsKnownEverywhere(t *testing.T, open func(*testing.T) *cluster) {
	for name, content := range map[string]string{"without a row": "", "small": "hello", "large": strings.Repeat("x", 30)} {
		for end, how := range map[string]func(t *testing.T, u orlop.BlobWriter){
			"committed": func(t *testing.T, u orlop.BlobWriter) {
				if _, err := u.Commit(t.Context(), digest.FromString(content)); err != nil {
					t.Error(err)
				}
			},
			"cancelled": func(t *testing.T, u orlop.BlobWriter) {
				if err := u.Cancel(t.Context()); err != nil {
					t.Error(err)
				}
			},
			"wrong": func(t *testing.T, u orlop.BlobWriter) {
				if _, err := u.Commit(t.Context(), digest.FromString("other")); !errors.Is(err, orlop.ErrDigestInvalid) {
					t.Error(err)
				}
				if err := u.Close(); err != nil {
					t.Error(err)
				}
			},
		} {
			t.Run(name+", "+end, func(t *testing.T) {
				c := open(t)
				id := send(t, c.nodes[0], "", content)
				u, err := c.nodes[1].Upload(t.Context(), "a", id)
				if err != nil {
					t.Fatal(err)
				}
				how(t, u)
				for _, node := range c.nodes {
					checkOver(t, node, id)
				}
				want := 0
				if end == "committed" && len(content) > 10 {
					want = 1
				}
				if n := objects(t, c.blobs.List(t.Context(), "")); n != want {
					t.Errorf("%d objects, want %d", n, want)
				}
			})
		}
	}
}

// TestFreshUploadOnTwoNodes begins an upload that has no row yet on both nodes at
// once: one of them has it in the end.
func TestFreshUploadOnTwoNodes(t *testing.T) { clusters(t, testFreshUploadOnTwoNodes) }

func testFreshUploadOnTwoNodes(t *testing.T, open func(*testing.T) *cluster) {
	for name, size := range map[string]int{"small": 5, "large": 30} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			id := send(t, c.nodes[0], "", "")
			var errs [2]error
			var contents [2]string
			var writers [2]orlop.BlobWriter
			for i, node := range c.nodes {
				contents[i] = strings.Repeat(fmt.Sprint(i), size)
				var err error
				if writers[i], err = node.Upload(t.Context(), "a", id); err != nil {
					t.Fatal(err)
				}
			}
			for i, u := range writers {
				_, errs[i] = io.Copy(u, strings.NewReader(contents[i]))
			}
			for i, u := range writers {
				if errs[i] == nil {
					_, errs[i] = u.Commit(t.Context(), digest.FromString(contents[i]))
				}
				if errs[i] != nil {
					u.Close()
				}
			}
			if errs[0] != nil {
				t.Errorf("the first one failed: %v", errs[0])
			}
			if !busy(errs[1]) && !errors.Is(errs[1], orlop.ErrUploadUnknown) {
				t.Errorf("the second one: %v", errs[1])
			}
			for i, content := range contents {
				_, err := c.nodes[0].StatBlob(t.Context(), "a", digest.FromString(content))
				if there := err == nil; there != (i == 0) {
					t.Errorf("blob %d: %v", i, err)
				}
			}
			if n := objects(t, c.blobs.List(t.Context(), "")); n > 1 {
				t.Errorf("%d objects are left", n)
			}
		})
	}
}

// TestStoppedNode stops a node in the middle of a request. The other one goes on
// with the upload when its time is over; whatever the first one does when it
// wakes up does not change that.
func TestStoppedNode(t *testing.T) { clusters(t, testStoppedNode) }

func testStoppedNode(t *testing.T, open func(*testing.T) *cluster) {
	for name, size := range map[string]int{"small": 30, "in parts": 6 << 20} {
		t.Run(name, func(t *testing.T) { testStoppedNodeWith(t, open, size) })
	}
}

func testStoppedNodeWith(t *testing.T, open func(*testing.T) *cluster, size int) {
	acknowledged, rest := strings.Repeat("1", size), strings.Repeat("2", size)
	whole := acknowledged + rest
	lost := acknowledged + "never acknowledged"
	for name, wake := range map[string]func(ctx context.Context, u orlop.BlobWriter) error{
		"writes on": func(_ context.Context, u orlop.BlobWriter) error {
			_, err := u.Write(bytes.Repeat([]byte("3"), 100))
			return errors.Join(err, u.Close())
		},
		"ends its request": func(_ context.Context, u orlop.BlobWriter) error { return u.Close() },
		"ends the upload": func(ctx context.Context, u orlop.BlobWriter) error {
			_, err := u.Commit(ctx, digest.FromString(lost))
			return errors.Join(err, u.Close())
		},
		"ends it with a wrong digest": func(ctx context.Context, u orlop.BlobWriter) error {
			_, err := u.Commit(ctx, digest.FromString("wrong"))
			return errors.Join(err, u.Close())
		},
		"cancels it": func(ctx context.Context, u orlop.BlobWriter) error { return u.Cancel(ctx) },
	} {
		for _, when := range []string{"before the other one writes", "before the other one ends it", "after the other one has ended it"} {
			if size > 1<<20 && when != "before the other one ends it" {
				continue // takes long
			}
			t.Run(name+" "+when, func(t *testing.T) {
				c := open(t)
				a, b := c.nodes[0], c.nodes[1]
				id := send(t, a, "", acknowledged)
				stopped, err := a.Upload(t.Context(), "a", id)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stopped.Write([]byte("never acknowledged")); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Upload(t.Context(), "a", id); !busy(err) {
					t.Errorf("the other node takes it at once: %v", err)
				}
				c.pass(uploadLease + time.Second)
				u, err := b.Upload(t.Context(), "a", id)
				if err != nil || u.Offset() != int64(len(acknowledged)) {
					t.Fatalf("goes on at %d, %v", u.Offset(), err)
				}
				awake := func(at string) {
					if at != when {
						return
					}
					if err := wake(t.Context(), stopped); !errors.Is(err, orlop.ErrUploadInvalid) && !errors.Is(err, orlop.ErrUploadUnknown) {
						t.Errorf("the node that was stopped: %v", err)
					}
				}
				awake("before the other one writes")
				if _, err := u.Write([]byte(rest)); err != nil {
					t.Fatal(err)
				}
				awake("before the other one ends it")
				if _, err := u.Commit(t.Context(), digest.FromString(whole)); err != nil {
					t.Fatal(err)
				}
				awake("after the other one has ended it")
				checkOver(t, a, id)
				if got, err := a.readBlob(t.Context(), "a", digest.FromString(whole), -1); err != nil || string(got) != whole {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
				if _, err := a.StatBlob(t.Context(), "a", digest.FromString(lost)); !errors.Is(err, orlop.ErrBlobUnknown) {
					t.Errorf("the stopped node has made a blob: %v", err)
				}
				checkOnlyBlobs(t, c, 1)
			})
		}
	}
}

// checkOnlyBlobs verifies that all objects but those of n blobs are gone or known
// to the collector.
func checkOnlyBlobs(t *testing.T, c *cluster, n int) {
	t.Helper()
	left := 0
	for info, err := range c.blobs.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		var dropped bool
		if err := c.nodes[0].db.Update(t.Context(), func(tx *sqlmeta.Tx) (err error) {
			dropped, err = tx.DropObject(c.nodes[0].id, info.Key)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !dropped {
			left++
		}
	}
	if left != n {
		t.Errorf("%d objects are in use, want %d", left, n)
	}
}

// TestLeaseIsRenewed receives for much longer than a lease: nobody else gets the
// upload meanwhile, and when the node dies little is lost.
func TestLeaseIsRenewed(t *testing.T) { clusters(t, testLeaseIsRenewed) }

func testLeaseIsRenewed(t *testing.T, open func(*testing.T) *cluster) {
	c := open(t)
	a, b := c.nodes[0], c.nodes[1]
	id := send(t, a, "", "")
	u, err := a.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	piece, sent := strings.Repeat("x", 20), 0
	for range 20 {
		if _, err := u.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
		sent += len(piece)
		c.pass(4 * time.Second)
		if _, err := b.Upload(t.Context(), "a", id); !busy(err) {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	c.pass(uploadLease)
	w, err := b.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Offset(); got < int64(sent-len(piece)) {
		t.Errorf("%d of %d bytes are left", got, sent)
	}
	if _, err := w.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	whole := strings.Repeat("x", int(w.Offset())-3) + "end"
	if _, err := w.Commit(t.Context(), digest.FromString(whole)); err != nil {
		t.Error(err)
	}
}

// TestOneOfManyRacersWins puts a tag on a condition from both nodes.
func TestOneOfManyRacersWins(t *testing.T) { clusters(t, testOneOfManyRacersWins) }

func testOneOfManyRacersWins(t *testing.T, open func(*testing.T) *cluster) {
	c := open(t)
	base := pushArtifact(t, c.nodes[0], "a", "v1", 0).Digest
	var racers []PutManifest
	for i := range 16 {
		pushArtifact(t, c.nodes[i%2], "a", fmt.Sprint("own", i), i+1)
		m, err := c.nodes[i%2].Manifest(t.Context(), "a", fmt.Sprint("own", i))
		if err != nil {
			t.Fatal(err)
		}
		racers = append(racers, PutManifest{MediaType: m.Descriptor.MediaType, Raw: m.Raw, Tags: []string{"v1"},
			If: func(current digest.Digest) bool { return current == base }})
	}
	var won, refused atomic.Int32
	var wg sync.WaitGroup
	for i, p := range racers {
		wg.Go(func() {
			switch _, err := c.nodes[i%2].PutManifest(t.Context(), "a", p); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, orlop.ErrPreconditionFailed):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || refused.Load() != 15 {
		t.Errorf("%d won, %d were refused", won.Load(), refused.Load())
	}
}

// TestRepositoryGoesBesidePush deletes a repository on one node while the other
// pushes to it: what a tag names is there, and so is what its manifest names.
func TestRepositoryGoesBesidePush(t *testing.T) { clusters(t, testRepositoryGoesBesidePush) }

func testRepositoryGoesBesidePush(t *testing.T, open func(*testing.T) *cluster) {
	c := open(t)
	ctx, pusher, deleter := t.Context(), c.nodes[0], c.nodes[1]
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := deleter.DeleteRepository(ctx, "a"); err != nil && !errors.Is(err, orlop.ErrNameUnknown) {
				t.Error(err)
			}
		}
	})
	for i := range 100 {
		config := []byte(fmt.Sprint("config ", i%5))
		desc := orlop.Descriptor{Digest: digest.FromBytes(config), Size: int64(len(config))}
		if err := pusher.PushBlob(ctx, "a", desc, bytes.NewReader(config)); err != nil {
			t.Error(err)
		}
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"text/plain","digest":"%s","size":%d},"layers":[]}`, desc.Digest, desc.Size)
		if _, err := pusher.PushManifest(ctx, "a", "", raw, "v1"); err != nil && !errors.Is(err, orlop.ErrManifestBlobUnknown) {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	for tag, err := range deleter.Tags(ctx, "a", "") {
		if errors.Is(err, orlop.ErrNameUnknown) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := deleter.Manifest(ctx, "a", tag)
		if err != nil {
			t.Fatal(err)
		}
		info, err := orlop.ParseManifest("", m.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := deleter.StatBlob(ctx, "a", info.Config.Digest); err != nil {
			t.Errorf("the configuration of %s: %v", tag, err)
		}
	}
}
