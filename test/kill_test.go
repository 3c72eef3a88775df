package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/testenv"
)

// ledger is what the server has acknowledged, and what it may have done
// besides: the requests that were under way when it was killed.
type ledger struct {
	mu        sync.Mutex
	blobs     map[string]int64           // repo@digest -> size
	manifests map[string]bool            // repo@digest
	tags      map[string][]digest.Digest // repo:tag -> what it may name; the acknowledged first
	acked     atomic.Int64
}

func newLedger() *ledger {
	return &ledger{blobs: map[string]int64{}, manifests: map[string]bool{}, tags: map[string][]digest.Digest{}}
}

func (l *ledger) addBlob(repo string, content []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blobs[repo+"@"+digest.FromBytes(content).String()] = int64(len(content))
	l.acked.Add(1)
}

// try notes that a tag is about to be moved.
func (l *ledger) try(repo, tag string, dgst digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tags[repo+":"+tag] = append(l.tags[repo+":"+tag], dgst)
}

func (l *ledger) addManifest(repo, tag string, dgst digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifests[repo+"@"+dgst.String()] = true
	l.tags[repo+":"+tag] = []digest.Digest{dgst, ""} // "" marks the first as acknowledged
	l.acked.Add(1)
}

// TestKill kills the real server at random moments while clients push, starts
// it again, and asks for everything that was acknowledged. ORLOP_KILL_ROUNDS
// says how often.
func TestKill(t *testing.T) {
	rounds := 8
	if n, err := strconv.Atoi(os.Getenv("ORLOP_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	data, books := t.TempDir(), newLedger()
	for round := range rounds {
		p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
		if round > 0 {
			verify(t, &p.Server, books)
		}
		pushUntilKilled(t, p, books, round)
		if t.Failed() {
			return
		}
	}
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	verify(t, &p.Server, books)
	t.Logf("%d rounds: %d blobs, %d manifests, %d tags acknowledged", rounds, len(books.blobs), len(books.manifests), len(books.tags))
}

// pushUntilKilled lets workers push until the server has acknowledged some
// things more, and kills it in the middle of others.
func pushUntilKilled(t *testing.T, p *testenv.Process, books *ledger, round int) {
	const workers = 6
	client := newAPI(t, &p.Server)
	killAt := books.acked.Load() + 20 + rand.Int64N(60)
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() {
		time.AfterFunc(rand.N(8*time.Millisecond), func() { p.Kill(); close(killed) })
	})
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for n := 0; ; n++ {
				err := pushOne(t.Context(), client, books, worker, round*100_000+n)
				if _, refused := errors.AsType[*statusError](err); refused {
					t.Error(err) // it may die, but not refuse
				}
				if err != nil {
					return
				}
				if books.acked.Load() >= killAt {
					kill()
				}
			}
		})
	}
	wg.Wait()
	kill()
	<-killed
	if books.acked.Load() < killAt {
		t.Error("the server went away before it was killed")
	}
}

// pushOne pushes one artifact under a tag of its own or a tag that moves.
func pushOne(ctx context.Context, client *api, books *ledger, worker, n int) error {
	repo := fmt.Sprintf("kill/r%d", worker%2)
	seed := uint64(worker)<<32 | uint64(n)
	size := 600 + n%3*20_000 // in the database, and in files
	if n%7 == 3 {
		size = 2 << 20
	}
	layer := random(seed, size)
	push := client.pushBlob
	if n%2 == 1 {
		push = client.pushChunks
	}
	if err := push(ctx, repo, layer); err != nil {
		return err
	}
	books.addBlob(repo, layer)
	config := []byte("{}")
	if err := client.pushBlob(ctx, repo, config); err != nil {
		return err
	}
	books.addBlob(repo, config)
	raw := manifestOf(config, layer)
	tag := fmt.Sprintf("w%d-%d", worker, n)
	if n%2 == 0 {
		tag = fmt.Sprintf("w%d-latest", worker)
	}
	books.try(repo, tag, digest.FromBytes(raw))
	if err := client.pushManifest(ctx, repo, tag, raw); err != nil {
		return err
	}
	books.addManifest(repo, tag, digest.FromBytes(raw))
	return nil
}

func manifestOf(config, layer []byte) []byte {
	raw, _ := json.Marshal(ocispec.Manifest{ // a plain struct: cannot fail
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.Descriptor{MediaType: "application/vnd.unknown.config.v1+json", Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: []ocispec.Descriptor{{MediaType: "application/octet-stream", Digest: digest.FromBytes(layer), Size: int64(len(layer))}},
	})
	return raw
}

// pushChunks pushes content by POST, two PATCHes and PUT.
func (a *api) pushChunks(ctx context.Context, repo string, content []byte) error {
	ans, err := a.do(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil)
	if err != nil {
		return err
	}
	location := ans.header.Get("Location")
	half := len(content) / 2
	for _, part := range []struct{ from, to int }{{0, half}, {half, len(content)}} {
		ans, err = a.do(ctx, http.MethodPatch, location, bytes.NewReader(content[part.from:part.to]),
			"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", part.from, part.to-1))
		if err != nil {
			return err
		}
		if ans.status != http.StatusAccepted {
			return &statusError{"PATCH " + location, ans}
		}
		location = ans.header.Get("Location")
	}
	return a.created(ctx, http.MethodPut, withQuery(location, "digest="+digest.FromBytes(content).String()), nil, "application/octet-stream")
}

// verify asks a server for everything in the ledger, and for everything that
// its tags name.
func verify(t *testing.T, s *testenv.Server, books *ledger) {
	t.Helper()
	client := newAPI(t, s)
	for at, size := range books.blobs {
		repo, dgst := splitAt(at)
		ans, err := client.do(t.Context(), http.MethodGet, "/v2/"+repo+"/blobs/"+dgst, nil)
		if err != nil || ans.status != http.StatusOK || int64(len(ans.body)) != size || digest.FromBytes(ans.body).String() != dgst {
			t.Errorf("acknowledged blob %s lost: %v %v", at, status(ans), err)
		}
	}
	for at := range books.manifests {
		repo, dgst := splitAt(at)
		ans, err := client.do(t.Context(), http.MethodGet, "/v2/"+repo+"/manifests/"+dgst, nil)
		if err != nil || ans.status != http.StatusOK || digest.FromBytes(ans.body).String() != dgst {
			t.Errorf("acknowledged manifest %s lost: %v %v", at, status(ans), err)
		}
	}
	seen := map[string]bool{}
	for _, repo := range []string{"kill/r0", "kill/r1"} {
		for _, tag := range listTags(t, client, repo) {
			seen[repo+":"+tag] = true
			verifyTag(t, client, repo, tag, books)
		}
	}
	for at, may := range books.tags {
		if len(may) > 1 && may[1] == "" && !seen[at] {
			t.Errorf("acknowledged tag %s lost", at)
		}
	}
}

// verifyTag checks that a tag names what it may name, and that nothing it needs
// is missing.
func verifyTag(t *testing.T, client *api, repo, tag string, books *ledger) {
	t.Helper()
	ans, err := client.do(t.Context(), http.MethodGet, "/v2/"+repo+"/manifests/"+tag, nil)
	if err != nil || ans.status != http.StatusOK {
		t.Errorf("tag %s:%s dangles: %v %v", repo, tag, status(ans), err)
		return
	}
	may, found := books.tags[repo+":"+tag], false
	for _, dgst := range may {
		found = found || dgst == digest.FromBytes(ans.body)
	}
	if !found {
		t.Errorf("tag %s:%s names %s, not one of %v", repo, tag, digest.FromBytes(ans.body), may)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(ans.body, &m); err != nil {
		t.Errorf("tag %s:%s: %v", repo, tag, err)
		return
	}
	for _, desc := range append(m.Layers, m.Config) {
		ans, err := client.do(t.Context(), http.MethodHead, "/v2/"+repo+"/blobs/"+desc.Digest.String(), nil)
		if err != nil || ans.status != http.StatusOK {
			t.Errorf("tag %s:%s needs blob %s: %v %v", repo, tag, desc.Digest, status(ans), err)
		}
	}
}
