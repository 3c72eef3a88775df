package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// cutter leads to a PostgreSQL server and breaks the connection on which the n-th
// round trip is made: before it, so that the server never sees it, or after it,
// so that it is done and nobody hears of that.
type cutter struct {
	listener net.Listener
	backend  string

	mu     sync.Mutex // guards what follows
	rounds int
	at     int  // breaks at this one; 0 is never
	after  bool // after it
	down   bool // and lets nobody through any more, as if the node had died
	dead   bool
}

// newCutter makes a cutter and the URL that leads through it to a database.
func newCutter(t *testing.T, database string) (*cutter, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	c := &cutter{listener: listener, backend: u.Host}
	go c.accept()
	u.Host = listener.Addr().String()
	return c, u.String()
}

func (c *cutter) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		go c.serve(client)
	}
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.backend)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan struct{}, 1) // one for each ReadyForQuery
	go func() {
		defer client.Close()
		defer close(answers)
		c.toClient(client, server, answers)
	}()
	c.toServer(server, client, answers)
}

// toServer forwards what a client sends, a round trip at a time.
func (c *cutter) toServer(server, client net.Conn, answers <-chan struct{}) {
	startup, err := readMessage(client, false)
	if err != nil || c.isDead() {
		return
	}
	if _, err := server.Write(startup); err != nil {
		return
	}
	<-answers
	var round bytes.Buffer
	for {
		message, err := readMessage(client, true)
		if err != nil {
			return
		}
		round.Write(message)
		if message[0] != 'S' && message[0] != 'Q' { // Sync, Query
			continue
		}
		cut, passes := c.count()
		if !passes {
			return
		}
		if _, err := round.WriteTo(server); err != nil {
			return
		}
		if <-answers; cut {
			return
		}
	}
}

// toClient forwards answers, but for one that nobody is to hear: it is held back
// until all of it has come.
func (c *cutter) toClient(client, server net.Conn, answers chan<- struct{}) {
	var answer bytes.Buffer
	for {
		message, err := readMessage(server, true)
		if err != nil {
			return
		}
		answer.Write(message)
		if message[0] != 'Z' { // ReadyForQuery
			continue
		}
		c.mu.Lock()
		unheard := c.at > 0 && c.after && c.rounds == c.at
		c.mu.Unlock()
		if !unheard {
			if _, err := answer.WriteTo(client); err != nil {
				return
			}
		}
		answers <- struct{}{}
	}
}

// readMessage reads one message; the first of a connection has no type.
func readMessage(r io.Reader, typed bool) ([]byte, error) {
	head := make([]byte, 4, 5)
	if typed {
		head = head[:5]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
	_, err := io.ReadFull(r, body)
	return append(head, body...), err
}

// count counts a round trip and tells whether it is the one, and whether the
// server gets to see it.
func (c *cutter) count() (cut, passes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == 0 {
		return false, true
	}
	c.rounds++
	if c.rounds == c.at {
		c.dead = c.down
		return true, c.after
	}
	return false, !c.dead
}

func (c *cutter) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// arm lets the cutter break at the n-th round trip from now on.
func (c *cutter) arm(n int, after, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds, c.at, c.after, c.down, c.dead = 0, n, after, down, false
}

// disarm lets everything through and returns how many round trips there were.
func (c *cutter) disarm() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	rounds := c.rounds
	c.rounds, c.at, c.dead = 0, 0, false
	return rounds
}

// TestCutAtEveryRoundTrip breaks the connection to PostgreSQL at the n-th round
// trip of pushes, tag moves, uploads and deletions, for every n. Either the
// server never sees that one and the node goes on, or it is done, and the node
// dies without having heard of it. What was acknowledged is there, what is
// visible is whole, and another node goes on.
func TestCutAtEveryRoundTrip(t *testing.T) {
	for name, dies := range map[string]bool{"node goes on": false, "node dies": true} {
		t.Run(name, func(t *testing.T) { testCutAtEveryRoundTrip(t, dies) })
	}
}

func testCutAtEveryRoundTrip(t *testing.T, dies bool) {
	database, blobs := postgres(t), mem.New(mem.Options{})
	c, through := newCutter(t, database)
	other := openNode(t, database, blobs, time.Minute) // by when what a dead node had in hand is free
	node := openNode(t, through, blobs, 0)
	failed := 0
	for n := 1; ; n++ {
		id := int64(1000 + n) // a registry for each
		if err := other.db.Update(t.Context(), func(tx *sqlmeta.Tx) error { return tx.EnsureRegistry(id, fmt.Sprintf("cut%d", n)) }); err != nil {
			t.Fatal(err)
		}
		ack := nothing()
		c.arm(n, dies, dies)
		err := node.of(id).work(t.Context(), ack)
		reached := c.disarm() >= n
		switch {
		case !reached && err != nil:
			t.Fatalf("without a cut: %v", err)
		case !reached:
			t.Logf("%d round trips, of which %d failed", n-1, failed)
			if failed < 20 {
				t.Error("most of the cuts were not noticed")
			}
			return
		case dies && err == nil:
			t.Errorf("round trip %d: nobody has noticed", n)
		case err != nil && !errors.Is(err, orlop.ErrUnavailable):
			t.Errorf("round trip %d: %v", n, err)
		}
		if err != nil {
			failed++
		}
		if wrong := other.of(id).check(t.Context(), ack); wrong != nil {
			t.Errorf("round trip %d (%v): %v", n, err, wrong)
		}
		if dies {
			node.db.Close()
			node = openNode(t, through, blobs, 0)
		}
	}
}

// node is an engine of its own.
type node struct {
	*Service
}

// openNode opens one whose clock is ahead.
func openNode(t *testing.T, url string, blobs blob.Store, ahead time.Duration) node {
	t.Helper()
	db, err := sqlmeta.OpenPostgres(t.Context(), url, sqlmeta.Options{KeepDeleted: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	svc, err := New(db, blobs, Options{SmallBlob: 1 << 10, Shared: true, Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	return node{svc}
}

// of is the world of a registry.
func (n node) of(id int64) *world {
	return &world{db: n.db, reg: n.Registry(id, Actor{ID: "1", Name: "tester"})}
}
