package aztest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/orlop/orlop/internal/testenv/child"
)

// ready bounds the wait for a server to start or stop. It is no expectation of
// how fast that is.
const ready = time.Minute

// Options say how a server is to be.
type Options struct {
	// Identities lets identities in, by tokens whose signature is not checked.
	// The server serves TLS then.
	Identities bool
}

// Server is an Azurite with a directory and a port of its own on the loopback
// address.
type Server struct {
	Addr string         // HOST:PORT
	CAs  *x509.CertPool // that the server's certificate is of; nil without TLS

	program string
	dir     string // holds data and log
	args    []string
	cmd     *exec.Cmd
	done    <-chan struct{} // closed when the process has ended
}

// Start starts a server for one test, which may kill or freeze it. It is removed
// at the end of the test. A test without Azurite is skipped, and fails where CI is
// set.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := open(o)
	if err != nil {
		absent(t, err)
	}
	t.Cleanup(s.remove)
	return s
}

// Endpoint is the URL of the account on the server.
func (s *Server) Endpoint() string {
	if s.CAs != nil {
		return "https://" + s.Addr + "/" + Account
	}
	return "http://" + s.Addr + "/" + Account
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Freeze stops the server until Thaw.
func (s *Server) Freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Restart starts a server that was killed.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatalf("aztest: %v", err)
	}
}

// open makes a server and starts it.
func open(o Options) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "orlop-az-")
	if err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir}
	if o.Identities {
		err = s.useTLS()
	}
	if err == nil {
		err = s.run()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// find finds the program of the blob service where .ci/run installs it.
func find() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "orlop-ci", "azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(path); err != nil {
		return "", errors.New("azurite is not installed")
	}
	return path, nil
}

// run starts the server and waits until it listens. The address is kept once it
// has one.
func (s *Server) run() error {
	if s.Addr == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.Addr = l.Addr().String()
		l.Close()
	}
	logs, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	s.cmd = exec.Command("node", append([]string{s.program, "--blobHost", host, "--blobPort", port, "--location", filepath.Join(s.dir, "data"),
		"--silent", "--disableTelemetry", "--skipApiVersionCheck"}, s.args...)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, logs, logs
	if s.done, err = child.Start(s.cmd); err != nil {
		return err
	}
	return s.await()
}

// await waits until the server listens.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), ready)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the server ended: %w\n%s", err, log)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) create(ctx context.Context, name string) error {
	cred, err := container.NewSharedKeyCredential(Account, Key)
	if err != nil {
		return err
	}
	options := &container.ClientOptions{}
	options.Transport = s.Client()
	client, err := container.NewClientWithSharedKeyCredential(s.Endpoint()+"/"+name, cred, options)
	if err != nil {
		return err
	}
	_, err = client.Create(ctx, nil)
	return err
}

// Client reaches the server without credentials.
func (s *Server) Client() *http.Client {
	if s.CAs == nil {
		return http.DefaultClient
	}
	return &http.Client{Transport: s.transport()}
}

// remove stops the server and removes its files.
func (s *Server) remove() {
	s.Thaw()
	s.Kill()
	_ = os.RemoveAll(s.dir)
}
