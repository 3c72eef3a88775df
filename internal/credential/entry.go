package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/orlop/orlop/remote/auth"
)

// entry is a member of "auths" as Docker writes it.
type entry struct {
	Auth          string `json:"auth,omitempty"` // base64 of user:password
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// secretFields are the members of an entry that a new credential replaces.
var secretFields = []string{"auth", "username", "password", "identitytoken", "registrytoken"}

func decodeEntry(raw json.RawMessage) (auth.Credential, error) {
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return auth.Credential{}, errors.New("the entry is malformed")
	}
	c := auth.Credential{
		Username:     e.Username,
		Password:     e.Password,
		RefreshToken: e.IdentityToken,
		AccessToken:  e.RegistryToken,
	}
	if e.Auth == "" {
		return c, nil
	}
	plain, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		return auth.Credential{}, errors.New(`"auth" is not base64`)
	}
	user, password, ok := strings.Cut(string(plain), ":")
	if !ok {
		return auth.Credential{}, errors.New(`"auth" is not user:password`)
	}
	// Docker pads what it decodes with zero bytes; old files carry them.
	c.Username, c.Password = user, strings.Trim(password, "\x00")
	return c, nil
}

// encodeEntry puts c into an entry and keeps members that are not ours.
func encodeEntry(old object, c auth.Credential) (object, error) {
	if strings.Contains(c.Username, ":") {
		return nil, errors.New("a user name with a colon cannot be stored in a file; use a credential helper")
	}
	old.deleteFunc(func(name string) bool {
		for _, f := range secretFields {
			if f == name {
				return true
			}
		}
		return false
	})
	fields := []struct{ name, value string }{
		{"auth", basic(c)}, {"identitytoken", c.RefreshToken}, {"registrytoken", c.AccessToken},
	}
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		if err := old.set(f.name, f.value); err != nil {
			return nil, err
		}
	}
	return old, nil
}

func basic(c auth.Credential) string {
	if c.Username == "" && c.Password == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
}
