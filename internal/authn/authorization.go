package authn

import (
	"encoding/base64"
	"strings"
)

// NullUser is the user name of those who show a token in place of a password.
const NullUser = "00000000-0000-0000-0000-000000000000"

// credentials are what an Authorization header holds: a token, or a user and a
// secret.
type credentials struct {
	token        string
	user, secret string
}

// parseAuthorization reads the value of an Authorization header: Basic (RFC
// 7617) or Bearer (RFC 6750).
func parseAuthorization(value string) (credentials, bool) {
	scheme, rest, ok := strings.Cut(value, " ")
	rest = strings.TrimLeft(rest, " ")
	if !ok || rest == "" {
		return credentials{}, false
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return credentials{token: rest}, true
	case strings.EqualFold(scheme, "Basic"):
		return parseBasic(rest)
	}
	return credentials{}, false
}

func parseBasic(encoded string) (credentials, bool) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return credentials{}, false
	}
	user, secret, ok := strings.Cut(string(raw), ":")
	if !ok || user == "" || secret == "" || strings.ContainsFunc(string(raw), isControl) {
		return credentials{}, false
	}
	return credentials{user: user, secret: secret}, true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// IsBearer tells whether an Authorization header holds a token.
func IsBearer(value string) bool {
	const scheme = "Bearer "
	return len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme)
}
