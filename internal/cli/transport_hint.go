package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
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
	switch {
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return plainHTTP
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "actively refused"): // so Windows puts it
		return fmt.Sprintf("nothing listens there; check the host and port of %s", host)
	}
	return ""
}

const (
	unknownAuthority = "give the certificate authority of the registry by --ca-file FILE"
	plainHTTP        = "the registry speaks plain HTTP; add --plain-http if that is meant"
)
