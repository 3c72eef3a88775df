package ref

import (
	_ "crypto/sha256" // the digests taken here
	_ "crypto/sha512" // can be computed
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Limits, in bytes. The specification leaves the length of a name to the
// registry and its users; 255 is what registries have agreed on.
const (
	maxRegistry   = 253 + len(":65535") // RFC 1035 and a port
	maxRepository = 255
	maxTag        = 128
)

// ValidateRegistry checks that s is a host name, an IPv4 address or an IPv6
// address in brackets, with a port or without.
func ValidateRegistry(s string) error { return invalid("registry", s, checkRegistry(s)) }

// ValidateRepository checks that name is a repository name: components of
// lower-case letters and digits with single separators, joined by slashes, at
// most 255 bytes.
func ValidateRepository(name string) error { return invalid("repository", name, checkRepository(name)) }

// ValidateTag checks that tag is a tag: a letter, digit or underscore, then at
// most 127 of these, dots and hyphens.
func ValidateTag(tag string) error { return invalid("tag", tag, checkTag(tag)) }

// ValidateDigest checks that s is a SHA-256 or SHA-512 digest in lower-case
// hex of the right length, and returns it as one. Others are refused, weaker
// algorithms too.
func ValidateDigest(s string) (digest.Digest, error) {
	d, err := checkDigest(s)
	return d, invalid("digest", s, err)
}

func invalid(what, s string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s %s: %w", ErrInvalid, what, quote(s), err)
}

func checkRegistry(s string) error {
	if s == "" {
		return errors.New("the registry is empty")
	}
	if len(s) > maxRegistry {
		return errors.New("the registry is too long")
	}
	if strings.Contains(s, "/") {
		return errors.New("a registry is a host and port, without a path")
	}
	host, rest := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, rest = s[:i], s[i+1:]
		if !isPort(rest) {
			return errors.New("the registry's port is not a number from 1 to 65535")
		}
	}
	if !isHost(host) && !isIPv6(host) {
		return errors.New("the registry is not a host name or address")
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && len(s) <= len("65535")
}

// isHost allows underscores, which are in names of containers, and no dot at
// the end, so that a host has one spelling.
func isHost(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !isWord(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

// isIPv6 checks the characters only; connecting tells the rest. Zones are left
// out: they mean something on one machine only.
func isIPv6(s string) bool {
	if len(s) < len("[::]") || s[0] != '[' || s[len(s)-1] != ']' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c != ':' && c != '.' && !isHex(c) && (c < 'A' || c > 'F') {
			return false
		}
	}
	return strings.Contains(s, ":")
}

func checkRepository(name string) error {
	if name == "" {
		return errors.New("the repository is empty")
	}
	if len(name) > maxRepository {
		return fmt.Errorf("the repository is longer than %d bytes", maxRepository)
	}
	for component := range strings.SplitSeq(name, "/") {
		if !isComponent(component) {
			return errors.New("the repository is not lower-case letters, digits and single separators")
		}
	}
	return nil
}

// isComponent matches [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func isComponent(s string) bool {
	if s == "" || !isAlphanumeric(s[0]) || !isAlphanumeric(s[len(s)-1]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if isAlphanumeric(s[i]) {
			continue
		}
		start := i
		for !isAlphanumeric(s[i]) {
			i++
		}
		if !isSeparator(s[start:i]) {
			return false
		}
	}
	return true
}

func isSeparator(s string) bool {
	return s == "." || s == "_" || s == "__" || strings.Trim(s, "-") == ""
}

func checkTag(tag string) error {
	if tag == "" {
		return errors.New("the tag is empty")
	}
	if len(tag) > maxTag {
		return fmt.Errorf("the tag is longer than %d bytes", maxTag)
	}
	for i, c := range []byte(tag) {
		if !isWord(c) && (i == 0 || c != '.' && c != '-') {
			return errors.New("the tag is not letters, digits, underscores, dots and hyphens")
		}
	}
	return nil
}

func checkDigest(s string) (digest.Digest, error) {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok {
		return "", errors.New("the digest has no algorithm")
	}
	want := 0
	switch digest.Algorithm(algorithm) {
	case digest.SHA256:
		want = 64
	case digest.SHA512:
		want = 128
	default:
		return "", errors.New("the digest is neither sha256 nor sha512")
	}
	if len(hex) != want {
		return "", fmt.Errorf("the digest does not have %d characters", want)
	}
	for _, c := range []byte(hex) {
		if !isHex(c) {
			return "", errors.New("the digest is not lower-case hex")
		}
	}
	return digest.Digest(s), nil
}

func isAlphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) }
func isWord(c byte) bool         { return isAlphanumeric(c) || 'A' <= c && c <= 'Z' || c == '_' }
func isHex(c byte) bool          { return isDigit(c) || 'a' <= c && c <= 'f' }
func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
