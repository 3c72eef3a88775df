package test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/testenv"
)

// slowUpload is a PATCH whose body has arrived in part.
type slowUpload struct {
	conn    net.Conn
	answers *bufio.Reader // of conn
	path    string
	rest    []byte
	content []byte
}

// beginUpload starts an upload and sends half of its content, once the server
// has said that it reads it.
func beginUpload(t *testing.T, s *testenv.Server, repo string, content []byte) *slowUpload {
	t.Helper()
	resp, body := s.Do(t, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("start upload: %s: %s", resp.Status, body)
	}
	return beginPatch(t, s, resp.Header.Get("Location"), content)
}

// beginPatch goes on with an upload and sends half of the content.
func beginPatch(t *testing.T, s *testenv.Server, path string, content []byte) *slowUpload {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	u := &slowUpload{conn: conn, answers: bufio.NewReader(conn), path: path, rest: content[len(content)/2:], content: content}
	auth := base64.StdEncoding.EncodeToString([]byte("admin:" + testenv.AdminPassword))
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Type: application/octet-stream\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", u.path, s.Address, auth, len(content))
	if resp, err := http.ReadResponse(u.answers, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("the server does not want the content: %v %v", resp, err)
	}
	if _, err := conn.Write(content[:len(content)/2]); err != nil {
		t.Fatal(err)
	}
	return u
}

// finish sends the rest and returns the answer.
func (u *slowUpload) finish(t *testing.T) *http.Response {
	t.Helper()
	if _, err := u.conn.Write(u.rest); err != nil {
		t.Fatalf("send the rest: %v", err)
	}
	resp, err := http.ReadResponse(u.answers, nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp
}

// awaitRefused waits until the server takes no more connections.
func awaitRefused(t *testing.T, s *testenv.Server) {
	t.Helper()
	for t.Context().Err() == nil {
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestGracefulStopLetsATransferEnd(t *testing.T) {
	data := t.TempDir()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	content := random(1, 3<<20)
	upload := beginUpload(t, &p.Server, "stop/graceful", content)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitRefused(t, &p.Server)
	if resp := upload.finish(t); resp.StatusCode != http.StatusAccepted {
		t.Errorf("the transfer that was under way: %s", resp.Status)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	again := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	resp, body := again.Do(t, http.MethodPut, withQuery(upload.path, "digest="+digest.FromBytes(content).String()), nil)
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("finish the upload after the restart: %s: %s", resp.Status, body)
	}
}

func TestStopCutsATransferAfterTheTimeout(t *testing.T) {
	data := t.TempDir()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Args: []string{"--shutdown-timeout", "300ms"}})
	content := random(2, 3<<20)
	upload := beginUpload(t, &p.Server, "stop/cut", content)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	again := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	resumeUpload(t, &again.Server, upload, true)
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := testenv.StartProcess(t, testenv.ProcessOptions{})
	beginUpload(t, &p.Server, "stop/second", random(3, 1<<20))
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitRefused(t, &p.Server)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](p.Wait())
	if !ok || exit.ExitCode() != 130 {
		t.Errorf("the server ended with %v", exit)
	}
}

// TestUnusedConnectionDoesNotHoldTheStop: a connection made ahead of need. The
// stop would wait for its whole timeout, and call it a transfer.
func TestUnusedConnectionDoesNotHoldTheStop(t *testing.T) {
	for _, flags := range [][]string{nil, {"--tls", "auto"}} {
		p := testenv.StartProcess(t, testenv.ProcessOptions{Args: append(flags, "--shutdown-timeout", "4s")})
		for range 3 {
			conn, err := net.Dial("tcp", p.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if out := p.Output(); strings.Contains(out, "under way") {
			t.Errorf("%v: the server waited for a request:\n%s", flags, out)
		}
	}
}

func TestIdleConnectionDoesNotHoldTheStop(t *testing.T) {
	p := testenv.StartProcess(t, testenv.ProcessOptions{})
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.Copy(conn, strings.NewReader("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
