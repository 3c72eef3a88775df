// Package control lets a command talk to the server that has the data directory:
// over a Unix socket in it, which only its owner can open, in JSON. The server does
// what the command asks for, beside its work, since it alone may open the stores
// there and its caches must know.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
)

// ErrNoServer: no server answers for the data directory.
var ErrNoServer = errors.New("no server runs on this data directory")

// The socket lies in a directory of its own, closed to others before the socket is
// made.
const (
	socketDir  = "run"
	socketName = "control.sock"
)

// maxSocketPath is how long the path of a socket may be everywhere, in bytes.
const maxSocketPath = 100

// Listen opens the socket of a data directory, which the caller has locked, in
// place of what a server has left that was killed.
func Listen(ctx context.Context, dataDir string) (net.Listener, error) {
	dir := filepath.Join(dataDir, socketDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	defer done()
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path may not be ours any more
	if err := os.Chmod(filepath.Join(dir, socketName), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	return l, nil
}

// socketPath is a path of the socket that is short enough: one by the open
// directory, if need be. It is good until done is called.
func socketPath(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, socketName)
	if len(path) <= maxSocketPath || runtime.GOOS != "linux" {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName), func() { d.Close() }, nil
}

// event is a line of an answer: one of its fields.
type event struct {
	Report  *gc.Report    `json:"report,omitempty"` // so far, and of all at the end
	Finding *meta.Finding `json:"finding,omitempty"`
	Error   string        `json:"error,omitempty"` // ends the answer
	Done    bool          `json:"done,omitempty"`  // ends the answer
}

// Handler answers commands for a collector.
func Handler(c *gc.Collector) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /gc", func(w http.ResponseWriter, r *http.Request) {
		send := sender(w)
		report, err := c.CycleTelling(r.Context(), func(report gc.Report) { send(event{Report: &report}) })
		send(event{Report: &report})
		send(ending(err))
	})
	mux.HandleFunc("GET /gc/findings", func(w http.ResponseWriter, r *http.Request) {
		send := sender(w)
		for f, err := range c.Explain(r.Context(), r.URL.Query().Get("kept") == "true") {
			if err != nil {
				send(ending(err))
				return
			}
			send(event{Finding: &f})
		}
		send(ending(nil))
	})
	return mux
}

func ending(err error) event {
	if err != nil {
		return event{Error: err.Error()}
	}
	return event{Done: true}
}

// sender writes events as lines, at once. A client that has gone away ends the
// request's context.
func sender(w http.ResponseWriter) func(event) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	return func(e event) {
		_ = enc.Encode(e)
		_ = flush.Flush()
	}
}

// Client talks to a server.
type Client struct{ http *http.Client }

// Dial finds the server of a data directory. ErrNoServer if there is none.
func Dial(ctx context.Context, dataDir string) (*Client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := socketPath(filepath.Join(dataDir, socketDir))
		if err != nil {
			return nil, err
		}
		defer done()
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	conn, err := dial(ctx, "", "")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNoServer
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	conn.Close()
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}, nil
}

// Collect runs a cycle of the server's collector; see gc.Collector.CycleTelling. It
// ends with ctx.
func (c *Client) Collect(ctx context.Context, progress func(gc.Report)) (gc.Report, error) {
	var last gc.Report
	for e, err := range c.events(ctx, http.MethodPost, "/gc") {
		if err != nil {
			return last, err
		}
		if e.Report != nil {
			last = *e.Report
			progress(last)
		}
	}
	return last, nil
}

// Explain tells what a cycle would do; see gc.Collector.Explain.
func (c *Client) Explain(ctx context.Context, kept bool) iter.Seq2[meta.Finding, error] {
	return func(yield func(meta.Finding, error) bool) {
		for e, err := range c.events(ctx, http.MethodGet, fmt.Sprint("/gc/findings?kept=", kept)) {
			if err != nil {
				yield(meta.Finding{}, err)
				return
			}
			if e.Finding != nil && !yield(*e.Finding, nil) {
				return
			}
		}
	}
}

// events yields the lines of an answer, but the last.
func (c *Client) events(ctx context.Context, method, path string) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, http.NoBody)
		if err != nil {
			yield(event{}, err)
			return
		}
		resp, err := c.http.Do(req)
		if err != nil {
			yield(event{}, fmt.Errorf("ask the server: %w", err))
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			yield(event{}, fmt.Errorf("ask the server: it answers %s; is it of another version?", resp.Status))
			return
		}
		for dec := json.NewDecoder(resp.Body); ; {
			var e event
			switch err := dec.Decode(&e); {
			case ctx.Err() != nil:
				yield(event{}, ctx.Err())
				return
			case errors.Is(err, io.EOF):
				yield(event{}, errors.New("the server has stopped in the middle of it"))
				return
			case err != nil:
				yield(event{}, fmt.Errorf("ask the server: %w", err))
				return
			case e.Error != "":
				yield(event{}, errors.New(e.Error))
				return
			case e.Done:
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
