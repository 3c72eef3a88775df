package test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/testenv"
)

// TestFullDisk fills a small file system until nothing fits any more: with
// large blobs, that go into files, and with small ones, that go into the
// database. Every refusal must be clear, everything stored must stay readable,
// and with space again the registry must work again.
func TestFullDisk(t *testing.T) {
	for name, size := range map[string]int{"files": 1 << 20, "database": 4 << 10} {
		t.Run(name, func(t *testing.T) { testFullDisk(t, mountSmall(t, "24m"), size) })
	}
}

// testFullDisk fills a disk with blobs of a size.
func testFullDisk(t *testing.T, disk string, size int) {
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testenv.Start(t, testenv.Options{Data: filepath.Join(disk, "data")})
	desc := s.PushArtifact(t, "disk/full", "1.0", random(1, 100_000))

	kept := fill(t, s, size)
	t.Logf("%d blobs of %d bytes fit", len(kept), size)
	checkRefused(t, s, random(2, size))
	checkReadable(t, s, desc.Digest, kept)
	// Deleting needs space as well, for the record of it.
	resp, body := s.Do(t, http.MethodDelete, "/v2/disk/full/blobs/"+kept[0].String(), nil)
	switch resp.StatusCode {
	case http.StatusAccepted:
		kept = kept[1:]
	case http.StatusInsufficientStorage:
	default:
		t.Errorf("delete on a full disk: %s: %s", resp.Status, body)
	}
	t.Logf("delete on a full disk: %s", resp.Status)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.PushArtifact(t, "disk/full", "2.0", random(3, size))
	checkReadable(t, s, desc.Digest, kept)
	s.Stop()
	s = testenv.Start(t, testenv.Options{Data: filepath.Join(disk, "data")})
	checkReadable(t, s, desc.Digest, kept)
}

// fill pushes blobs until one is refused and returns those that were not.
func fill(t *testing.T, s *testenv.Server, size int) []digest.Digest {
	t.Helper()
	var kept []digest.Digest
	for n := uint64(1000); n < 20_000; n++ {
		content := random(n, size)
		dgst := digest.FromBytes(content)
		resp, body := s.Do(t, http.MethodPost, "/v2/disk/full/blobs/uploads/?digest="+dgst.String(), bytes.NewReader(content))
		switch resp.StatusCode {
		case http.StatusCreated:
			kept = append(kept, dgst)
		case http.StatusInsufficientStorage:
			return kept
		default:
			t.Fatalf("push to a disk that fills up: %s: %s", resp.Status, body)
		}
	}
	t.Fatal("the disk never filled up")
	return nil
}

// checkRefused checks that each way to push is refused as full.
func checkRefused(t *testing.T, s *testenv.Server, content []byte) {
	t.Helper()
	check := func(what string, resp *http.Response, body []byte) {
		if resp.StatusCode != http.StatusInsufficientStorage || !strings.Contains(string(body), `"STORAGE_FULL"`) || strings.Contains(string(body), s.Data) {
			t.Errorf("%s on a full disk: %s: %s", what, resp.Status, body)
		}
	}
	dgst := digest.FromBytes(content)
	resp, body := s.Do(t, http.MethodPost, "/v2/disk/full/blobs/uploads/?digest="+dgst.String(), bytes.NewReader(content))
	check("POST", resp, body)
	resp, body = s.Do(t, http.MethodPost, "/v2/disk/full/blobs/uploads/", nil)
	if resp.StatusCode != http.StatusAccepted {
		check("start", resp, body)
		return
	}
	resp, body = s.Do(t, http.MethodPut, withQuery(resp.Header.Get("Location"), "digest="+dgst.String()), bytes.NewReader(content))
	check("PUT", resp, body)
}

func checkReadable(t *testing.T, s *testenv.Server, manifest digest.Digest, blobs []digest.Digest) {
	t.Helper()
	resp, body := s.Do(t, http.MethodGet, "/v2/disk/full/manifests/1.0", nil)
	if resp.StatusCode != http.StatusOK || digest.FromBytes(body) != manifest {
		t.Errorf("read the manifest: %s", resp.Status)
	}
	for _, dgst := range blobs {
		resp, body := s.Do(t, http.MethodGet, "/v2/disk/full/blobs/"+dgst.String(), nil)
		if resp.StatusCode != http.StatusOK || digest.FromBytes(body) != dgst {
			t.Fatalf("read blob %s: %s", dgst, resp.Status)
		}
	}
}
