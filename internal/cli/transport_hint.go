package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// transportHint names the next step for the usual reasons why a registry
// cannot be reached.
func transportHint(program, host string, err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return unknownAuthority
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(e.RecordHeader[:]) == "HTTP/" {
		return plainHTTP
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("check the name %s, or give its address by --resolve HOST:PORT:ADDRESS", e.Name)
	}
	switch text := err.Error(); {
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return plainHTTP
	case answersTLS(text):
		return useTLS
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(text, "actively refused"): // so Windows puts it
		return fmt.Sprintf("nothing listens there; check the host and port of %s", host)
	case brokeOff(err):
		return "the connection does not hold; give the same command again, it goes on from where it was"
	}
	return ""
}

// brokeOff tells whether a connection did not hold, as often as it was tried. An
// answer that is an error is none of that, nor is what goes wrong before a
// connection is made.
func brokeOff(err error) bool {
	if _, answered := errors.AsType[*orlop.Error](err); answered || !errors.Is(err, orlop.ErrGaveUp) {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, remote.ErrStalled)
}

// answersTLS tells whether an error is what a server for TLS makes of plain
// HTTP: an alert, or an answer in words of the usual servers.
func answersTLS(text string) bool {
	for _, sign := range []string{
		asksForTLS, `malformed HTTP response "\x15\x03`, "an HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// asksForTLS is what we say in place of such an answer.
const asksForTLS = "the registry speaks TLS, and was asked by plain HTTP"

const (
	unknownAuthority = "give the certificate authority of the registry by --ca-file FILE"
	useTLS           = "the registry speaks TLS; give its certificate authority by --ca-file FILE, or --plain-http=false if the system knows it"
	plainHTTP        = "the registry speaks plain HTTP; add --plain-http if that is meant"
)
