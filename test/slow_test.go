package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/testenv"
)

// patience bounds how long a test waits for the server to close a connection.
// It is no expectation of how fast that is.
const patience = time.Minute

// closed waits until the other side has closed the connection.
func closed(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the connection is still open")
	}
	return nil // closed or reset
}

func TestSlowHeadersAreClosed(t *testing.T) {
	s := testenv.Start(t, testenv.Options{Configure: func(c *config.Config) { c.ReadHeaderTimeout = time.Second }})
	conns := make([]net.Conn, 100)
	for i := range conns {
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		conns[i] = conn
	}
	if resp, _ := s.Do(t, http.MethodGet, "/v2/", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a good client beside them: %s", resp.Status)
	}
	for _, conn := range conns {
		if err := closed(conn); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStalledBodyIsCutEverywhere: also where nobody reads the body, and before
// anybody has signed in.
func TestStalledBodyIsCutEverywhere(t *testing.T) {
	s := testenv.Start(t, testenv.Options{Configure: func(c *config.Config) { c.TransferTimeout = time.Second }})
	for _, request := range []string{
		"POST /oauth2/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
		"POST /api/v1/service-principals HTTP/1.1\r\nContent-Type: application/json",
		"GET /acr/v1/_catalog HTTP/1.1", "GET /healthz HTTP/1.1", "GET /nowhere HTTP/1.1",
		"PUT /v2/a/manifests/x HTTP/1.1", "GET /v2/ HTTP/1.1",
	} {
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", request)
		if err := closed(conn); err != nil {
			t.Errorf("%s: %v", request, err)
		}
	}
}

func TestStalledUploadIsCutAndKept(t *testing.T) {
	s := testenv.Start(t, testenv.Options{Configure: func(c *config.Config) { c.TransferTimeout = time.Second }})
	upload := beginUpload(t, s, "slow/upload", random(5, 1<<20))
	if err := closed(upload.conn); err != nil {
		t.Fatal(err)
	}
	resumeUpload(t, s, upload, true)
}

func TestStalledDownloadIsCut(t *testing.T) {
	var log logBuffer
	s := testenv.Start(t, testenv.Options{Log: &log, Configure: func(c *config.Config) {
		c.TransferTimeout, c.ShutdownTimeout = time.Second, patience
	}})
	desc := s.PushBlob(t, "slow/download", random(6, 32<<20)) // more than sockets hold
	stalled, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	if err := stalled.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/v2/slow/download/blobs/"+desc.Digest.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", testenv.AdminPassword)
	if err := req.Write(stalled); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stalled, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	s.Stop() // waits for the request, for much longer than a stalled client has
	if strings.Contains(log.String(), "under way") {
		t.Error("the request ended only because the server did")
	}
	n, err := io.Copy(io.Discard, stalled)
	if n >= desc.Size {
		t.Errorf("all %d bytes came, %v", n, err)
	}
}

// TestSlowDownloadIsNotCut reads slower than the timeout allows for the whole,
// but never stops.
func TestSlowDownloadIsNotCut(t *testing.T) {
	s := testenv.Start(t, testenv.Options{Configure: func(c *config.Config) { c.TransferTimeout = time.Second }})
	content := random(7, 24<<20)
	desc := s.PushBlob(t, "slow/steady", content)
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/v2/slow/steady/blobs/"+desc.Digest.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", testenv.AdminPassword)
	req.Close = true
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	pace := time.NewTicker(40 * time.Millisecond) // about 5 s for the whole
	defer pace.Stop()
	for {
		_, err := io.CopyN(&got, conn, 200<<10)
		if err != nil {
			break
		}
		<-pace.C
	}
	if !bytes.HasSuffix(got.Bytes(), content) {
		t.Errorf("only %d bytes came of %d", got.Len(), len(content))
	}
}
