package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ready bounds the wait for a server to start or stop. It is no expectation of
// how fast that is.
const ready = time.Minute

// Server is a PostgreSQL server with a directory and a port of its own on the
// loopback address. Its user "orlop" owns it and needs no password.
type Server struct {
	Port int

	dir  string // holds data and log
	bin  string // programs of PostgreSQL
	cred *syscall.Credential
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start starts a server for one test, which may kill or freeze it, with
// settings beside the usual ones ("name=value"). It is removed at the end of the
// test. A test without PostgreSQL is skipped, and fails where CI is set.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := open(settings...)
	if err != nil {
		unusable(t, err)
	}
	t.Cleanup(s.remove)
	return s
}

// URL names a database of the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://orlop@127.0.0.1:%d/%s?sslmode=disable", s.Port, database)
}

// Create makes a database and returns its URL.
func (s *Server) Create(t testing.TB, database string) string {
	t.Helper()
	if err := s.do(t.Context(), "CREATE DATABASE "+database); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s.URL(database)
}

// Kill ends the server as a crash would. None of its processes is left when it
// returns: one that outlived the first would go on serving its connection.
func (s *Server) Kill() {
	_ = syscall.Kill(s.cmd.Process.Pid, syscall.SIGSTOP) // it starts no more
	children := s.children()
	for _, pid := range append(children, s.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.done
	for _, pid := range children {
		for state, _ := stat(pid); state != "" && state != "Z"; state, _ = stat(pid) {
			time.Sleep(time.Millisecond)
		}
	}
}

// Freeze stops all processes of the server until Thaw.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// signal sends a signal to all processes of the server: the first one, and those
// that it starts, one for each connection.
func (s *Server) signal(sig syscall.Signal) {
	_ = syscall.Kill(s.cmd.Process.Pid, sig)
	for _, pid := range s.children() {
		_ = syscall.Kill(pid, sig)
	}
}

// children are the processes that the first one has started.
func (s *Server) children() (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range found {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if _, parent := stat(pid); parent == s.cmd.Process.Pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat gives the state and the parent of a process; "" if it has ended.
func stat(pid int) (state string, parent int) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	// The name in parentheses may hold anything; after it: state, parent.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// Restart starts a server that was killed.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// open makes a server and starts it.
func open(settings ...string) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "orlop-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin}
	if err := s.initialize(settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.run(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// errAbsent is the one reason to skip a test.
var errAbsent = errors.New("its programs are not installed (Debian's package postgresql)")

// programs finds the directory of the newest PostgreSQL that is installed.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errAbsent
	}
	return filepath.Dir(path), nil
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// initialize makes the server's files.
func (s *Server) initialize(settings []string) error {
	if err := s.disown(); err != nil {
		return err
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", filepath.Join(s.dir, "data"),
		"-U", "orlop", "-A", "trust", "--no-locale", "-E", "UTF8")
	initdb.Dir, initdb.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	var conf bytes.Buffer
	for _, line := range append([]string{
		"listen_addresses='127.0.0.1'", "unix_socket_directories=''", "max_connections=300",
		"shared_buffers=64MB", "deadlock_timeout=200ms",
	}, settings...) {
		fmt.Fprintln(&conf, line)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(conf.Bytes())
	return errors.Join(err, f.Close())
}

// disown gives the directory to a user without privileges if this process is
// root's: PostgreSQL refuses to run as root.
func (s *Server) disown() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return err
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

// run starts the server and waits until it answers. The port is kept once it has
// one.
func (s *Server) run() error {
	if s.Port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.Port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	logs, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.Port))
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, logs, logs
	s.cmd.SysProcAttr = dependent(s.cred)
	s.done = make(chan struct{})
	started := make(chan error)
	go func() {
		// The thread that starts a process must not end before it, or the process
		// takes that for the death of its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
			close(s.done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return s.await()
}

// await waits until the server takes connections.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), ready)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
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

// remove stops the server and removes its files.
func (s *Server) remove() {
	s.Thaw()
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // at once; nothing has to be kept
	select {
	case <-s.done:
	case <-time.After(ready):
		s.Kill()
	}
	_ = os.RemoveAll(s.dir)
}
