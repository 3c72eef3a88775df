package test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// line is a TCP connection's way to a backend, which can be cut, and be slow.
type line struct {
	address  string // HOST:PORT that leads to the backend
	backend  string
	listener net.Listener

	mu    sync.Mutex    // guards what follows
	open  chan struct{} // closed while the line is
	delay time.Duration
	conns map[net.Conn]bool
	age   int // of connections; those of another age than the line's are dead
	ended chan struct{}
}

// newLine makes a line to a backend, until the end of the test.
func newLine(t *testing.T, backend string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{address: listener.Addr().String(), backend: backend, listener: listener, open: make(chan struct{}), conns: map[net.Conn]bool{}, ended: make(chan struct{})}
	close(l.open)
	go l.accept()
	t.Cleanup(func() {
		listener.Close()
		close(l.ended)
		l.reset()
	})
	return l
}

func (l *line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(near)
	}
}

func (l *line) serve(near net.Conn) {
	age := l.ready()
	far, err := net.Dial("tcp", l.backend)
	if err != nil {
		reset(near)
		return
	}
	l.mu.Lock()
	l.conns[near], l.conns[far] = true, true
	l.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { l.carry(far, near, age) })
	wg.Go(func() { l.carry(near, far, age) })
	wg.Wait()
	near.Close()
	far.Close()
	l.mu.Lock()
	delete(l.conns, near)
	delete(l.conns, far)
	l.mu.Unlock()
}

// carry carries bytes one way; the end of one direction ends both.
func (l *line) carry(to, from net.Conn, age int) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		l.wait(age)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			if err != io.EOF {
				reset(to)
			}
			break
		}
	}
	to.Close()
	from.Close()
}

// ready waits while the line is cut and returns the age of connections that begin
// then.
func (l *line) ready() int {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	select {
	case <-open:
	case <-l.ended:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.age
}

// wait waits while the line is cut, and then as long as the line is. What is of
// another age waits for ever.
func (l *line) wait(age int) {
	if l.ready() != age {
		<-l.ended
	}
	l.mu.Lock()
	delay := l.delay
	l.mu.Unlock()
	if delay > 0 {
		<-time.After(delay)
	}
}

// cut lets nothing pass any more, without a word to either side.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

// join undoes cut: what waited passes.
func (l *line) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.open)
}

// replace undoes cut for connections that begin from now on. Those there are will
// not carry anything any more, and nobody is told.
func (l *line) replace() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age++
	close(l.open)
}

// slow makes all that passes take so long.
func (l *line) slow(delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = delay
}

// reset breaks all connections.
func (l *line) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		reset(conn)
	}
}

// reset ends a connection so that the other end notices at once.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
