package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/orlop/orlop"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{io.ErrUnexpectedEOF, 1},
		{orlop.ErrStorageFull, 1},
		{usagef("wrong"), 2},
		{withHint(wrongUse(newResolveCommand(testEnv(t)), errors.New("x")), "do"), 2},
		{orlop.ErrUnauthorized, 4},
		{about("localhost/x:1", fmt.Errorf("get: %w", orlop.ErrUnauthorized.With("no"))), 4},
		{orlop.ErrDenied, 5},
		{errors.Join(io.EOF, orlop.ErrManifestUnknown), 6},
		{orlop.ErrNameUnknown, 6},
		{orlop.ErrTagUnknown, 6},
		{withHint(orlop.ErrBlobUnknown, "x"), 6},
		{errInterrupted, 130},
		{fmt.Errorf("copy: %w", context.Canceled), 130},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	layoutTarget := &target{kind: kindLayout, base: "dir", typed: "dir:h/x:1"} // a name in a layout may have a colon
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("read file: it is\ngone"), "Error: read file: it is gone\n"},
		{about("localhost/x:1", orlop.ErrManifestUnknown), `Error response from registry: manifest unknown: localhost/x:1: not found
Hint: list the tags: orlop repo tags localhost/x
`},
		{layoutTarget.about(orlop.ErrManifestUnknown), "Error: dir:h/x:1: not found\nHint: list the tags: orlop repo tags --oci-layout dir\n"},
		{errors.Join(io.EOF, withHint(about("h/x:1", errors.New("broken")), "mend it"), withHint(io.EOF, "wait")),
			"Error: EOF broken EOF\nHint: mend it\n"},
		{about("localhost/x:1", orlop.ErrNameUnknown), `Error response from registry: name unknown: localhost/x:1: not found
Hint: list the repositories: orlop repo ls localhost
`},
		{about("h:5/x:1", fmt.Errorf("GET x: %w", orlop.ErrUnauthorized)), `Error response from registry: unauthorized: authentication required
Hint: sign in first: orlop login h:5
`},
		{orlop.ErrManifestInvalid.With("manifest invalid: size -1"), "Error response from registry: manifest invalid: size -1\n"},
		{orlop.NewError("TEAPOT", "\x1b[31mhot").WithDetail("it \u202e is"), `Error response from registry: teapot: \x1b[31mhot: it \u202e is` + "\n"},
		{withHint(about("a/b:c", errors.New("broken")), "mend it"), "Error: broken\nHint: mend it\n"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), "Error: write: no space left on device\nHint: make room on the disk, "},
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), "Error: dial: connection refused\nHint: nothing listens there; check the host and port of REGISTRY\n"},
		{fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), "Hint: " + unknownAuthority + "\n"},
		{&net.DNSError{Name: "no.such", Err: "no such host"}, "Hint: check the name no.such"},
	} {
		var b bytes.Buffer
		report(&b, "orlop", c.err)
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("report is\n%s\nwant\n%s", b.String(), c.want)
		}
	}
}

func TestReportJSON(t *testing.T) {
	var b bytes.Buffer
	reportJSON(&b, "oras", about("localhost/x:1", orlop.ErrManifestUnknown))
	want := `{
  "error": {
    "code": "MANIFEST_UNKNOWN",
    "message": "manifest unknown to registry",
    "reference": "localhost/x:1",
    "hint": "list the tags: oras repo tags localhost/x"
  }
}
`
	if b.String() != want {
		t.Errorf("report is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestDetailIsCut(t *testing.T) {
	e := orlop.NewError("X", "m").WithDetail(strings.Repeat("y", 10_000))
	if n := len(registryText(e, "")); n > maxDetail+50 {
		t.Errorf("text has %d bytes", n)
	}
}
