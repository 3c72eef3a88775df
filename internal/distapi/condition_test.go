package distapi

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// numbered is a manifest unlike those of other numbers.
func (c *client) numbered(repo string, n int) []byte {
	return c.manifest(repo, func(m *ocispec.Manifest) { m.Annotations = map[string]string{"n": fmt.Sprint(n)} })
}

// TestConditionalPut moves a tag only from where the client believes it to be.
func TestConditionalPut(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	one, two := c.numbered("a", 1), c.numbered("a", 2)
	put := func(raw []byte, status int, condition ...string) {
		t.Helper()
		res := c.do("PUT", "/v2/a/manifests/v1", raw, append(condition, "Content-Type", mediaTypeManifest)...)
		if res.want(status); status == http.StatusPreconditionFailed {
			res.wantCode(status, orlop.CodePreconditionFailed)
		}
	}
	etag := func(raw []byte) string { return `"` + digestOf(raw) + `"` }
	put(one, http.StatusPreconditionFailed, "If-Match", etag(one))
	put(one, http.StatusPreconditionFailed, "If-Match", "*")
	put(one, http.StatusCreated, "If-None-Match", "*")
	put(two, http.StatusPreconditionFailed, "If-None-Match", "*")
	put(two, http.StatusPreconditionFailed, "If-None-Match", etag(one))
	put(two, http.StatusPreconditionFailed, "If-Match", etag(two))
	c.do("GET", "/v2/a/manifests/"+digestOf(two), nil).want(http.StatusNotFound)
	c.do("GET", "/v2/a/manifests/v1", nil).wantHeader("Docker-Content-Digest", digestOf(one))
	put(two, http.StatusCreated, "If-Match", `"x", `+etag(one))
	put(one, http.StatusCreated, "If-Match", "*")
	c.do("GET", "/v2/a/manifests/v1", nil).wantHeader("Docker-Content-Digest", digestOf(one))
}

// TestOneRacerWins has many clients move a tag from the same place at once.
func TestOneRacerWins(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	const racers = 16
	start := c.numbered("a", 0)
	c.do("PUT", "/v2/a/manifests/old", start, "Content-Type", mediaTypeManifest).want(http.StatusCreated)
	for tag, condition := range map[string][2]string{"new": {"If-None-Match", "*"}, "old": {"If-Match", `"` + digestOf(start) + `"`}} {
		manifests := make([][]byte, racers)
		for i := range manifests {
			manifests[i] = c.numbered("a", i+1)
		}
		var won atomic.Int32
		var winner string
		var wg sync.WaitGroup
		for _, raw := range manifests {
			wg.Go(func() {
				res := c.do("PUT", "/v2/a/manifests/"+tag, raw, condition[0], condition[1], "Content-Type", mediaTypeManifest)
				switch res.StatusCode {
				case http.StatusCreated:
					if won.Add(1) == 1 {
						winner = digestOf(raw)
					}
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("status %d", res.StatusCode)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d of %d clients won", tag, won.Load(), racers)
		}
		c.do("GET", "/v2/a/manifests/"+tag, nil).wantHeader("Docker-Content-Digest", winner)
	}
}
