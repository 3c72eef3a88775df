package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
)

// Metadata says where the metadata is kept: the URL of a PostgreSQL database, or
// "" for a file in the data directory. It may hold a password, and shows
// without it.
type Metadata string

// String is the URL without its password.
func (m Metadata) String() string {
	u, err := url.Parse(string(m))
	if err != nil {
		return hidden
	}
	query := u.Query()
	if query.Has("password") || query.Has("sslpassword") {
		return hidden
	}
	return u.Redacted()
}

// GoString is String.
func (m Metadata) GoString() string { return m.String() }

// LogValue implements slog.LogValuer.
func (m Metadata) LogValue() slog.Value { return slog.StringValue(m.String()) }

// parseMetadata parses the setting metadata. Its errors do not show it.
func parseMetadata(text string) (Metadata, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("is no URL such as postgres://user@host/database")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" {
		return "", fmt.Errorf("begins with %q, and not with postgres://", u.Scheme)
	}
	return Metadata(text), nil
}

func metadata(name, group, usage string, field func(*Config) *Metadata) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "URL",
		set: func(c *Config, v []string) (err error) { *field(c), err = parseMetadata(v[0]); return err },
		get: func(c *Config) []string { return nonEmpty(field(c).String()) },
	}
}
