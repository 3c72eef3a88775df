package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// countingTrips counts requests.
type countingTrips struct {
	http.RoundTripper
	all, batches atomic.Int64
}

func (c *countingTrips) RoundTrip(req *http.Request) (*http.Response, error) {
	c.all.Add(1)
	if strings.Contains(req.URL.Path, "/_orlop/") {
		c.batches.Add(1)
	}
	return c.RoundTripper.RoundTrip(req)
}

// TestSmallBlobs moves many blobs of two repositories at once, to every server
// and from it. orlopd gets fewer requests than there are blobs, and others none
// that they do not know.
func TestSmallBlobs(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			host := start(t)
			transport := remote.NewTransport()
			t.Cleanup(transport.CloseIdleConnections)
			count := &countingTrips{RoundTripper: transport}
			reg := open(t, host, remote.Options{Credential: admin(), Transport: count})
			const n = 300
			for _, read := range []bool{false, true} {
				var both sync.WaitGroup
				for i, repo := range []string{"a", "b"} {
					both.Go(func() {
						smallBlobs(n, i, func(desc orlop.Descriptor, content []byte) {
							if !read {
								if err := reg.PushBlob(t.Context(), repo, desc, bytes.NewReader(content)); err != nil {
									t.Error(err)
								}
								return
							}
							raw, err := reg.ReadBlob(t.Context(), repo, desc)
							if err != nil || !bytes.Equal(raw, content) {
								t.Errorf("%d bytes, %v", len(raw), err)
							}
						})
					})
				}
				both.Wait()
			}
			t.Logf("%d requests, %d for many blobs", count.all.Load(), count.batches.Load())
			if (count.batches.Load() > 0) != (name == "orlopd") || name == "orlopd" && count.all.Load() >= 4*n {
				t.Errorf("%d requests, %d for many blobs", count.all.Load(), count.batches.Load())
			}
		})
	}
}

// TestSmallBlobsKilledServer kills the server while clients push: what it has
// said to have is there when it comes back.
func TestSmallBlobsKilledServer(t *testing.T) {
	data := t.TempDir()
	srv := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Log: io.Discard})
	reg := open(t, srv.Address, remote.Options{Credential: admin(), Retry: remote.RetryOptions{Attempts: 1}})
	var (
		mu   sync.Mutex
		kept []orlop.Descriptor
		kill = sync.OnceFunc(srv.Kill)
	)
	smallBlobs(2000, 0, func(desc orlop.Descriptor, content []byte) {
		if reg.PushBlob(t.Context(), "a", desc, bytes.NewReader(content)) != nil {
			return // it is dead
		}
		mu.Lock()
		kept = append(kept, desc)
		enough := len(kept) > 500
		mu.Unlock()
		if enough {
			kill()
		}
	})
	if len(kept) == 2000 {
		t.Fatal("the server was killed too late")
	}
	again := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Log: io.Discard})
	reg = open(t, again.Address, remote.Options{Credential: admin()})
	for _, desc := range kept {
		if raw, err := reg.ReadBlob(t.Context(), "a", desc); err != nil || digest.FromBytes(raw) != desc.Digest {
			t.Fatalf("%s was acknowledged: %v", desc.Digest, err)
		}
	}
}

// TestSmallBlobsNotAllowed pushes as nobody, who may read.
func TestSmallBlobsNotAllowed(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{Log: io.Discard, Configure: func(c *config.Config) { c.AnonymousPull = true }})
	owner := open(t, srv.Address, remote.Options{Credential: admin()})
	nobody := open(t, srv.Address, remote.Options{Credential: auth.Static(auth.Credential{})})
	smallBlobs(200, 0, func(desc orlop.Descriptor, content []byte) {
		if err := nobody.PushBlob(t.Context(), "a", desc, bytes.NewReader(content)); !errors.Is(err, orlop.ErrUnauthorized) {
			t.Errorf("push: %v", err)
		}
		if err := owner.PushBlob(t.Context(), "a", desc, bytes.NewReader(content)); err != nil {
			t.Error(err)
		}
		if raw, err := nobody.ReadBlob(t.Context(), "a", desc); err != nil || !bytes.Equal(raw, content) {
			t.Errorf("pull: %v", err)
		}
		if _, err := nobody.ReadBlob(t.Context(), "none", desc); !errors.Is(err, orlop.ErrBlobUnknown) && !errors.Is(err, orlop.ErrNameUnknown) {
			t.Errorf("pull from elsewhere: %v", err)
		}
	})
}

// TestCopySmallBlobs copies an artifact of many small blobs from registry to
// registry, with a caller who gives up and one who does not.
func TestCopySmallBlobs(t *testing.T) {
	src := open(t, testenv.Start(t, testenv.Options{Log: io.Discard}).Address, remote.Options{Credential: admin()})
	dst := open(t, testenv.Start(t, testenv.Options{Log: io.Discard}).Address, remote.Options{Credential: admin()})
	var (
		mu     sync.Mutex
		layers []orlop.Descriptor
	)
	smallBlobs(400, 0, func(desc orlop.Descriptor, content []byte) {
		desc.MediaType = "application/vnd.example"
		if err := src.PushBlob(t.Context(), "a", desc, bytes.NewReader(content)); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		layers = append(layers, desc)
	})
	m, more, err := orlop.Pack(orlop.PackOptions{ArtifactType: "application/vnd.example", Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range more {
		if err := src.PushBlob(t.Context(), "a", b.Descriptor, bytes.NewReader(b.Content)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := src.PushManifest(t.Context(), "a", m.Descriptor.MediaType, m.Raw, "v1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = orlop.Copy(ctx, dst, "b", src, "a", "v1", orlop.CopyOptions{Progress: func(e orlop.Event) {
		if e.Kind == orlop.Done {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	sizes := map[digest.Digest]int64{}
	got, err := orlop.Copy(t.Context(), dst, "b", src, "a", "v1", orlop.CopyOptions{Tags: []string{"v1"}, Progress: func(e orlop.Event) {
		switch e.Kind {
		case orlop.Bytes:
			sizes[e.Descriptor.Digest] = e.N
		case orlop.Exists, orlop.Mounted:
			sizes[e.Descriptor.Digest] = e.Descriptor.Size
		}
	}})
	if err != nil || got.Digest != m.Descriptor.Digest {
		t.Fatalf("%s, %v", got.Digest, err)
	}
	for _, layer := range layers {
		if sizes[layer.Digest] != layer.Size {
			t.Errorf("progress of %s ends at %d of %d bytes", layer.Digest, sizes[layer.Digest], layer.Size)
		}
	}
}
