package test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/internal/testenv/pgtest"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

// cluster is two nodes on one PostgreSQL and one S3 server, each reached by a
// line of its own.
type cluster struct {
	pg     *pgtest.Server
	s3     *s3test.Server
	toPG   *line
	toS3   *line
	args   []string
	env    []string
	nodes  []*testenv.Process
	apis   []*api
	books  *ledger
	phases int // crowds so far
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{pg: pgtest.Start(t), s3: s3test.Start(t), books: newLedger()}
	c.toPG = newLine(t, "127.0.0.1:"+strconv.Itoa(c.pg.Port))
	c.toS3 = newLine(t, c.s3.Addr)
	metadata := strings.Replace(c.pg.Create(t, "registry"), "127.0.0.1:"+strconv.Itoa(c.pg.Port), c.toPG.address, 1)
	bucket := c.s3.Bucket(t)
	bucket.Endpoint = "http://" + c.toS3.address
	c.args, c.env = []string{"--metadata", metadata, "--blobs", bucket.URL()}, bucket.Env()
	for range 2 {
		c.start(t)
	}
	return c
}

func (c *cluster) start(t *testing.T) *testenv.Process {
	t.Helper()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Args: append([]string{}, c.args...), Env: c.env, Log: io.Discard})
	c.nodes = append(c.nodes, p)
	a := newAPI(t, &p.Server)
	a.client.Timeout = time.Minute
	c.apis = append(c.apis, a)
	return p
}

// outage is something that happens to a backend.
type outage struct {
	name       string
	begin, end func(t testing.TB)
	// hurts: requests fail meanwhile. Otherwise they wait, and one that fails is
	// worth a line.
	hurts bool
	// long takes longer than CI should: who waits for an answer on a connection
	// that nobody knows to be dead waits for as long as answers may take.
	long bool
}

func (c *cluster) outages() []outage {
	none := func(testing.TB) {}
	return []outage{
		{"database killed", func(testing.TB) { c.pg.Kill() }, c.pg.Restart, true, false},
		{"database frozen", func(testing.TB) { c.pg.Freeze() }, func(testing.TB) { c.pg.Thaw() }, false, false},
		{"database out of reach", func(testing.TB) { c.toPG.cut() }, func(testing.TB) { c.toPG.join() }, false, false},
		{"connections to the database forgotten", func(testing.TB) { c.toPG.cut() }, func(testing.TB) { c.toPG.replace() }, true, true},
		{"connections to the database broken", func(testing.TB) { c.toPG.reset() }, none, true, false},
		{"database slow", func(testing.TB) { c.toPG.slow(20 * time.Millisecond) }, func(testing.TB) { c.toPG.slow(0) }, false, false},
		{"store killed", func(testing.TB) { c.s3.Kill() }, c.s3.Restart, true, false},
		{"store frozen", func(testing.TB) { c.s3.Freeze() }, func(testing.TB) { c.s3.Thaw() }, false, false},
		{"store out of reach", func(testing.TB) { c.toS3.cut() }, func(testing.TB) { c.toS3.join() }, false, false},
		{"connections to the store forgotten", func(testing.TB) { c.toS3.cut() }, func(testing.TB) { c.toS3.replace() }, true, true},
		{"connections to the store broken", func(testing.TB) { c.toS3.reset() }, none, true, false},
		{"store slow", func(testing.TB) { c.toS3.slow(50 * time.Millisecond) }, func(testing.TB) { c.toS3.slow(0) }, false, false},
	}
}

// outageTime is how long an outage lasts; see TestOutages.
var outageTime = time.Duration(rounds("ORLOP_OUTAGE_SECONDS", 2)) * time.Second

// TestOutages takes away the database and the store of blobs, each in several
// ways, from two real nodes at which a crowd works. What is acknowledged must
// stay, no tag may come that nobody made, and after each outage the nodes must
// work again by themselves. ORLOP_OUTAGE_SECONDS says how long each lasts, and
// adds those that take long.
func TestOutages(t *testing.T) {
	c := startCluster(t)
	for _, o := range c.outages() {
		if o.long && os.Getenv("ORLOP_OUTAGE_SECONDS") == "" {
			continue
		}
		t.Run(strings.ReplaceAll(o.name, " ", "-"), func(t *testing.T) { c.test(t, o) })
	}
	t.Log(c.books)
}

func (c *cluster) test(t *testing.T, o outage) {
	var failures atomic.Int64
	c.phases++
	crowd := &crowd{clients: c.apis, books: c.books, seed: c.phases}
	crowd.failed = func(err error) bool {
		if e, refused := errors.AsType[*statusError](err); refused && e.status < 500 && e.status != http.StatusConflict {
			t.Error(err)
			return false
		}
		if failures.Add(1); !o.hurts {
			t.Logf("meanwhile: %v", err)
		}
		<-time.After(20 * time.Millisecond) // as a client would before it tries again
		return true
	}
	crowd.workFor(t, 20) // nothing is wrong yet
	if failures.Load() > 0 {
		t.Error("requests failed before the outage")
	}

	var enough atomic.Int64
	enough.Store(1 << 40)
	crowd.seed = c.phases + 1000
	crowd.worked = func() bool { return c.books.acked.Load() < enough.Load() }
	var working sync.WaitGroup
	working.Go(func() { crowd.work(t.Context()) })
	o.begin(t)
	<-time.After(outageTime)
	during := failures.Load()
	o.end(t)
	ended, before := time.Now(), c.books.acked.Load()
	enough.Store(before + 40)
	working.Wait()
	t.Logf("%d requests failed meanwhile, %d after that; 40 requests were acknowledged %s after the end",
		during, failures.Load()-during, time.Since(ended).Round(time.Millisecond))
	for _, node := range c.nodes {
		c.books.verify(t, &node.Server)
	}
}
