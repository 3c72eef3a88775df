package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/testenv"
)

// ledger is what a registry may hold: of each thing the state that was
// acknowledged last, and the states that requests without a good answer may
// have brought about. One worker at a time writes to a thing, but to blobs,
// which many may push.
type ledger struct {
	mu      sync.Mutex
	claims  map[thing]*claim
	uploads map[string]*partial // by location
	dark    bool                // the power is cut: nobody gets an answer any more
	acked   atomic.Int64        // how many requests were acknowledged
}

// thing is what a registry has or has not.
type thing struct{ kind, repo, name string }

// Kinds of things. The state of a blob and of a manifest is its own digest or
// "", that of a tag what it names or "".
const (
	blobKind     = "blob"
	manifestKind = "manifest"
	tagKind      = "tag"
)

func (x thing) String() string { return fmt.Sprintf("%s %s %s", x.kind, x.repo, x.name) }

func blobOf(repo string, dgst digest.Digest) thing { return thing{blobKind, repo, string(dgst)} }

func manifestThing(repo string, dgst digest.Digest) thing {
	return thing{manifestKind, repo, string(dgst)}
}

func tagOf(repo, tag string) thing { return thing{tagKind, repo, tag} }

type claim struct {
	known digest.Digest   // acknowledged
	maybe []digest.Digest // of requests that nobody has answered well
}

// partial is an upload that has not ended.
type partial struct {
	repo, location string
	content        []byte
	acked, sent    int  // bytes
	ending         bool // its end was asked for
	failed         bool // a request was refused: what it had may be gone
}

func newLedger() *ledger {
	return &ledger{claims: map[thing]*claim{}, uploads: map[string]*partial{}}
}

func (l *ledger) claim(x thing) *claim {
	if l.claims[x] == nil {
		l.claims[x] = new(claim)
	}
	return l.claims[x]
}

// try notes that a thing is about to get a state.
func (l *ledger) try(x thing, state digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claim(x).maybe = append(l.claim(x).maybe, state)
}

// ack notes that what was tried has been acknowledged.
func (l *ledger) ack(x thing, state digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dark {
		return
	}
	c := l.claim(x)
	c.known = state
	if i := slices.Index(c.maybe, state); i >= 0 {
		c.maybe = slices.Delete(c.maybe, i, i+1)
	}
	l.acked.Add(1)
}

// power says whether there is any. A server does not know that its disk is dead
// and may answer for a moment longer; in the dark no answer counts.
func (l *ledger) power(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dark = !on
}

// begun notes a new upload; sending and sent follow its bytes, ended its end.
func (l *ledger) begun(p *partial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uploads[p.location] = p
}

func (l *ledger) sending(p *partial, to int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.sent = to
}

func (l *ledger) sent(p *partial, to int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dark {
		return
	}
	p.acked = to
	l.acked.Add(1)
}

func (l *ledger) ending(p *partial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.ending = true
}

func (l *ledger) refused(p *partial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.failed = true
}

func (l *ledger) ended(p *partial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dark {
		return
	}
	delete(l.uploads, p.location)
}

// String counts what the ledger holds.
func (l *ledger) String() string {
	there, gone, open := map[string]int{}, 0, len(l.uploads)
	for x, c := range l.claims {
		if c.known == "" {
			gone++
		} else {
			there[x.kind]++
		}
	}
	return fmt.Sprintf("%d requests acknowledged; %d blobs, %d manifests, %d tags are there, %d things are gone, %d uploads are open",
		l.acked.Load(), there[blobKind], there[manifestKind], there[tagKind], gone, open)
}

// verify asks a server on which nothing is under way for everything in the
// ledger, for everything that its tags name, and for tags that nobody made; and
// it ends the uploads that are open. What it finds counts as known from then on.
func (l *ledger) verify(t *testing.T, s *testenv.Server) {
	t.Helper()
	client := newAPI(t, s)
	for _, p := range slices.Collect(maps.Values(l.uploads)) {
		l.resume(t, client, p)
	}
	found := l.look(t, client)
	for x, state := range found {
		*l.claims[x] = claim{known: state}
	}
	repos := map[string]bool{}
	for x := range l.claims {
		repos[x.repo] = true
	}
	for repo := range repos {
		l.checkTags(t, client, repo, found)
	}
}

// look compares a server with the ledger and returns what it has.
func (l *ledger) look(t *testing.T, client *api) map[thing]digest.Digest {
	t.Helper()
	var (
		mu     sync.Mutex
		found  = map[thing]digest.Digest{}
		things = make(chan thing)
		wg     sync.WaitGroup
	)
	for range 4 {
		wg.Go(func() {
			for x := range things {
				if state, ok := l.check(t, client, x); ok {
					mu.Lock()
					found[x] = state
					mu.Unlock()
				}
			}
		})
	}
	for x := range l.claims {
		things <- x
	}
	close(things)
	wg.Wait()
	return found
}

// check looks for one thing and returns its state.
func (l *ledger) check(t *testing.T, client *api, x thing) (state digest.Digest, ok bool) {
	t.Helper()
	path := "/v2/" + x.repo + "/manifests/" + x.name
	if x.kind == blobKind {
		path = "/v2/" + x.repo + "/blobs/" + x.name
	}
	ans, err := client.do(t.Context(), http.MethodGet, path, nil)
	if err != nil || ans.status != http.StatusOK && ans.status != http.StatusNotFound {
		t.Errorf("%s: %v %v", x, status(ans), err)
		return "", false
	}
	if ans.status == http.StatusOK {
		state = digest.FromBytes(ans.body)
	}
	if c := l.claims[x]; state != c.known && !slices.Contains(c.maybe, state) {
		t.Errorf("%s: %q is there, acknowledged was %q, and perhaps %q", x, state, c.known, c.maybe)
	}
	if x.kind == tagKind && state != "" {
		checkWhole(t, client, x, ans.body)
	}
	return state, true
}

// checkWhole checks that a tagged manifest lacks no blob.
func checkWhole(t *testing.T, client *api, x thing, raw []byte) {
	t.Helper()
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Errorf("%s: %v", x, err)
		return
	}
	for _, desc := range append(m.Layers, m.Config) {
		ans, err := client.do(t.Context(), http.MethodHead, "/v2/"+x.repo+"/blobs/"+desc.Digest.String(), nil)
		if err != nil || ans.status != http.StatusOK {
			t.Errorf("%s needs blob %s: %v %v", x, desc.Digest, status(ans), err)
		}
	}
}

// checkTags compares the list of a repository's tags with what was found.
func (l *ledger) checkTags(t *testing.T, client *api, repo string, found map[thing]digest.Digest) {
	t.Helper()
	listed := map[string]bool{}
	for _, tag := range listTags(t, client, repo) {
		listed[tag] = true
		if found[tagOf(repo, tag)] == "" {
			t.Errorf("tag %s:%s is listed and is not there", repo, tag)
		}
	}
	for x, state := range found {
		if x.kind == tagKind && x.repo == repo && state != "" && !listed[x.name] {
			t.Errorf("%s is not listed", x)
		}
	}
}

// resume goes on with an upload where the server says, which is not before what
// was acknowledged, and ends it.
func (l *ledger) resume(t *testing.T, client *api, p *partial) {
	t.Helper()
	if p.ending {
		ans, err := client.do(t.Context(), http.MethodHead, "/v2/"+p.repo+"/blobs/"+digest.FromBytes(p.content).String(), nil)
		if err == nil && ans.status == http.StatusOK { // an id that has ended looks like that of an upload without a byte
			l.ended(p)
			return
		}
	}
	ans, err := client.awaitUpload(t.Context(), p.location)
	if err == nil && ans.status == http.StatusNotFound && p.failed {
		l.ended(p)
		return
	}
	if err != nil || ans.status != http.StatusNoContent {
		t.Errorf("upload with %d bytes acknowledged: %v %v", p.acked, status(ans), err)
		return
	}
	offset := offsetOf(ans)
	if offset < p.acked && !p.failed || offset > p.sent {
		t.Errorf("upload goes on from %d; %d bytes were acknowledged and %d sent", offset, p.acked, p.sent)
	}
	if err := client.finish(t.Context(), l, p, offset); err != nil {
		t.Errorf("resume an upload from %d: %v", offset, err)
	}
}
