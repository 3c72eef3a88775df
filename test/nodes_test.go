package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/internal/testenv/s3test"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// startNodes starts two servers on one database and one bucket.
func startNodes(t *testing.T, args ...string) [2]*testenv.Process {
	t.Helper()
	url, bucket := testenv.Postgres(t), s3test.New(t)
	args = append([]string{"--metadata", url, "--blobs", bucket.URL()}, args...)
	var nodes [2]*testenv.Process
	for i := range nodes {
		nodes[i] = testenv.StartProcess(t, testenv.ProcessOptions{Args: append([]string(nil), args...), Env: bucket.Env()})
	}
	return nodes
}

// patch sends a chunk of an upload and waits where another request has it still,
// for as long as the server says.
func patch(t *testing.T, s *testenv.Server, path string, offset int, chunk []byte) string {
	t.Helper()
	for {
		resp, body := s.Do(t, http.MethodPatch, path, bytes.NewReader(chunk), "Content-Type", "application/octet-stream",
			"Content-Range", fmt.Sprintf("%d-%d", offset, offset+len(chunk)-1))
		switch resp.StatusCode {
		case http.StatusAccepted:
			return resp.Header.Get("Location")
		case http.StatusConflict:
			seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
			if err != nil {
				t.Fatalf("Retry-After: %v", err)
			}
			select {
			case <-time.After(time.Duration(seconds) * time.Second):
			case <-t.Context().Done():
			}
		default:
			t.Fatalf("PATCH at %d: %s: %s", offset, resp.Status, body)
		}
	}
}

func finishUpload(t *testing.T, s *testenv.Server, location string, content []byte) {
	t.Helper()
	resp, body := s.Do(t, http.MethodPut, withQuery(location, "digest="+digest.FromBytes(content).String()), nil)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("PUT: %s: %s", resp.Status, body)
	}
}

// wantBlob reads a blob from every node.
func wantBlob(t *testing.T, nodes [2]*testenv.Process, repo string, content []byte) {
	t.Helper()
	for i, node := range nodes {
		resp, body := node.Do(t, http.MethodGet, "/v2/"+repo+"/blobs/"+digest.FromBytes(content).String(), nil)
		if resp.StatusCode != http.StatusOK || !bytes.Equal(body, content) {
			t.Errorf("node %d: %s, %d bytes", i, resp.Status, len(body))
		}
	}
}

// TestNodesServeTogether sends each request to the other node than the one
// before.
func TestNodesServeTogether(t *testing.T) {
	nodes := startNodes(t, "--redirect=false")
	content := random(1, 20<<20+7)
	resp, _ := nodes[0].Do(t, http.MethodPost, "/v2/nodes/app/blobs/uploads/", nil)
	location := resp.Header.Get("Location")
	if got := resp.Header.Get("OCI-Chunk-Min-Length"); got != strconv.Itoa(5<<20) {
		t.Errorf("the least size of a chunk is %q", got)
	}
	cuts := []int{0, 1, 3 << 20, 3<<20 + 100<<10, 19 << 20, len(content)}
	for i := range len(cuts) - 1 {
		location = patch(t, &nodes[(i+1)%2].Server, location, cuts[i], content[cuts[i]:cuts[i+1]])
	}
	finishUpload(t, &nodes[0].Server, location, content)
	wantBlob(t, nodes, "nodes/app", content)
	if resp, _ := nodes[1].Do(t, http.MethodGet, location, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an upload that has ended on the other node: %s", resp.Status)
	}
	for i := range 10 {
		desc := nodes[i%2].PushArtifact(t, "nodes/app", "latest", random(uint64(i), 100))
		resp, _ := nodes[(i+1)%2].Do(t, http.MethodHead, "/v2/nodes/app/manifests/latest", nil)
		if got := resp.Header.Get("Docker-Content-Digest"); got != desc.Digest.String() {
			t.Errorf("latest is %s on the other node, want %s", got, desc.Digest)
		}
	}
	if resp, _ := nodes[0].Do(t, http.MethodDelete, "/v2/nodes/app/manifests/latest", nil); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("DELETE: %s", resp.Status)
	}
	if resp, _ := nodes[1].Do(t, http.MethodHead, "/v2/nodes/app/manifests/latest", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a tag that was deleted on the other node: %s", resp.Status)
	}
}

// TestKilledNode kills a node in the middle of an upload; the other one goes on
// from what was acknowledged.
func TestKilledNode(t *testing.T) {
	nodes := startNodes(t, "--redirect=false")
	content := random(2, 18<<20)
	const acknowledged = 7 << 20
	resp, _ := nodes[0].Do(t, http.MethodPost, "/v2/nodes/killed/blobs/uploads/", nil)
	location := patch(t, &nodes[0].Server, resp.Header.Get("Location"), 0, content[:acknowledged])
	beginPatch(t, &nodes[0].Server, location, content[acknowledged:])
	nodes[0].Kill()
	if got := awaitOffset(t, &nodes[1].Server, location); got != acknowledged {
		t.Errorf("%d bytes are left, %d were acknowledged", got, acknowledged)
	}
	location = patch(t, &nodes[1].Server, location, acknowledged, content[acknowledged:])
	finishUpload(t, &nodes[1].Server, location, content)
	wantBlob(t, [2]*testenv.Process{nodes[1], nodes[1]}, "nodes/killed", content)
}

// TestStoppedNode stops a node in the middle of an upload, which the other one
// ends; what the first one does when it goes on changes nothing.
func TestStoppedNode(t *testing.T) {
	nodes := startNodes(t, "--redirect=false")
	content := random(3, 18<<20)
	const acknowledged = 7 << 20
	resp, _ := nodes[0].Do(t, http.MethodPost, "/v2/nodes/stopped/blobs/uploads/", nil)
	location := patch(t, &nodes[0].Server, resp.Header.Get("Location"), 0, content[:acknowledged])
	slow := beginPatch(t, &nodes[0].Server, location, random(4, 40<<20))
	if err := nodes[0].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	location = patch(t, &nodes[1].Server, location, acknowledged, content[acknowledged:])
	finishUpload(t, &nodes[1].Server, location, content)
	if err := nodes[0].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	_, _ = slow.conn.Write(slow.rest) // the node may refuse before it has read all
	if resp, err := http.ReadResponse(slow.answers, nil); err == nil && resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusConflict {
		t.Errorf("the node that was stopped: %s", resp.Status)
	}
	wantBlob(t, nodes, "nodes/stopped", content)
}

// TestOneRacerWins puts one tag from many clients at once on the condition that
// it is not there, and then that it is what it was.
func TestOneRacerWins(t *testing.T) {
	nodes := startNodes(t)
	var raws [8][]byte
	for i := range raws {
		nodes[0].PushArtifact(t, "nodes/race", fmt.Sprint("own", i), random(uint64(i), 100))
		_, raws[i] = nodes[0].Do(t, http.MethodGet, fmt.Sprint("/v2/nodes/race/manifests/own", i), nil)
	}
	apis := [2]*api{newAPI(t, &nodes[0].Server), newAPI(t, &nodes[1].Server)}
	condition := []string{"If-None-Match", "*"}
	for round := range 5 {
		var won, refused atomic.Int32
		var wg sync.WaitGroup
		for i, raw := range raws {
			wg.Go(func() {
				ans, err := apis[i%2].do(context.WithoutCancel(t.Context()), http.MethodPut, "/v2/nodes/race/manifests/prize", bytes.NewReader(raw),
					append([]string{"Content-Type", ocispec.MediaTypeImageManifest}, condition...)...)
				switch {
				case err != nil:
					t.Error(err)
				case ans.status == http.StatusCreated:
					won.Add(1)
				case ans.status == http.StatusPreconditionFailed:
					refused.Add(1)
				default:
					t.Errorf("%d: %s", ans.status, ans.body)
				}
			})
		}
		wg.Wait()
		resp, _ := nodes[1].Do(t, http.MethodHead, "/v2/nodes/race/manifests/prize", nil)
		now := resp.Header.Get("Docker-Content-Digest")
		// Who puts what is there already wins as well.
		if won.Load() < 1 || won.Load() > 1 && round == 0 || won.Load() > 2 || won.Load()+refused.Load() != int32(len(raws)) {
			t.Errorf("round %d: %d won, %d were refused", round, won.Load(), refused.Load())
		}
		condition = []string{"If-Match", strconv.Quote(now)}
	}
}

// noCredentials fails a test whose client shows the store the credentials of the
// registry.
type noCredentials struct {
	t        *testing.T
	registry string
	sent     atomic.Int32
}

func (n *noCredentials) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != n.registry {
		n.sent.Add(1)
		if r.Header.Get("Authorization") != "" {
			n.t.Error("the store was shown the credentials of the registry")
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestRedirectToRealStore pulls a large blob, whole and in part, with our client,
// which is sent to the store.
func TestRedirectToRealStore(t *testing.T) {
	nodes := startNodes(t)
	content := random(5, 3<<20+1)
	desc := nodes[0].PushBlob(t, "nodes/redirect", content)
	watch := &noCredentials{t: t, registry: nodes[1].Address}
	reg, err := remote.New(nodes[1].Address, remote.Options{
		PlainHTTP: true, Transport: watch,
		Credential: auth.Static(auth.Credential{Username: "admin", Password: testenv.AdminPassword}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int64{{0, -1}, {1 << 20, 100}} {
		rd, err := reg.OpenBlob(t.Context(), "nodes/redirect", desc.Digest, part[0], part[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rd)
		rd.Close()
		want := content[part[0]:]
		if part[1] >= 0 {
			want = want[:part[1]]
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("from %d: %d bytes, %v", part[0], len(got), err)
		}
	}
	if watch.sent.Load() == 0 {
		t.Error("the client was never sent to the store")
	}
}
