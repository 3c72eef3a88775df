package s3test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/orlop/orlop/internal/testenv/child"
)

// ready bounds the wait for a server to start or stop. It is no expectation of
// how fast that is.
const ready = time.Minute

// Server is an S3 server with a directory and a port of its own on the loopback
// address.
type Server struct {
	Addr string // HOST:PORT

	program Program
	path    string
	dir     string // holds data and log
	cmd     *exec.Cmd
	done    <-chan struct{} // closed when the process has ended
}

// Start starts a server for one test, which may kill or freeze it. It is removed
// at the end of the test. A test without versitygw is skipped, and fails where CI
// is set.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := open(Versity)
	if err != nil {
		absent(t, Versity, err)
	}
	t.Cleanup(s.remove)
	return s
}

// Endpoint is the URL of the server.
func (s *Server) Endpoint() string { return "http://" + s.Addr }

// Data is the directory where the server keeps buckets.
func (s *Server) Data() string { return filepath.Join(s.dir, "data") }

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
		t.Fatalf("s3test: %v", err)
	}
}

// open makes a server and starts it.
func open(p Program) (*Server, error) {
	path, err := find(p)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "orlop-s3-")
	if err != nil {
		return nil, err
	}
	s := &Server{program: p, path: path, dir: dir}
	if err := errors.Join(os.Mkdir(s.Data(), 0o700), s.run()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// find finds a program on the PATH or where .ci/run installs it.
func find(p Program) (string, error) {
	if path, err := exec.LookPath(string(p)); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "orlop-ci", "bin", string(p))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not installed", p)
	}
	return path, nil
}

// run starts the server and waits until it answers. The address is kept once it
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
	s.cmd = s.command()
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, logs, logs
	if s.done, err = child.Start(s.cmd); err != nil {
		return err
	}
	return s.await()
}

func (s *Server) command() *exec.Cmd {
	if s.program == MinIO {
		cmd := exec.Command(s.path, "server", "--quiet", "--address", s.Addr, s.Data())
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+KeyID, "MINIO_ROOT_PASSWORD="+Secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
		return cmd
	}
	cmd := exec.Command(s.path, "--quiet", "--keep-alive", "--port", s.Addr, "posix", s.Data())
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+KeyID, "ROOT_SECRET_KEY="+Secret)
	return cmd
}

// await waits until the server answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), ready)
	defer cancel()
	for {
		_, err := s.client().ListBuckets(ctx, nil)
		if err == nil {
			return nil
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

func (s *Server) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint()), Region: Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(KeyID, Secret, ""), RetryMaxAttempts: 1,
	})
}

func (s *Server) create(ctx context.Context, bucket string) error {
	_, err := s.client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	return err
}

// remove stops the server and removes its files.
func (s *Server) remove() {
	s.Thaw()
	s.Kill()
	_ = os.RemoveAll(s.dir)
}
