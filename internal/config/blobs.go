package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Values of Blobs.Kind.
const (
	BlobsInData = ""       // files in the data directory
	BlobsInDir  = "file"   // files in another directory
	BlobsInS3   = "s3"     // a bucket of a store that speaks the protocol of S3
	BlobsInAzB  = "azblob" // a container of Azure Blob Storage
)

// Blobs says where the content of blobs is kept. The zero value is files in the
// data directory.
type Blobs struct {
	Kind string
	Dir  string // of BlobsInDir

	Account string // of BlobsInAzB
	Bucket  string // or container
	Prefix  string // of the names in it, without slashes around it

	Endpoint       string // URL of the store; "" is the usual one
	PublicEndpoint string // URL of the store as clients reach it; "" is Endpoint

	// What follows is of BlobsInS3.
	Region        string
	PathStyle     bool   // the bucket is in the path and not in the name of the host
	Checksum      string // crc32c, sha256 or md5; "" is crc32c
	Unconditional bool   // the store does not know conditional writes

	Text string // as it was given
}

// String is the setting as it was given. It holds no secret.
func (b Blobs) String() string { return b.Text }

// parseBlobs parses the setting blobs.
func parseBlobs(text string) (Blobs, error) {
	if text == "" {
		return Blobs{}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return Blobs{}, errors.New("is no URL such as s3://bucket/prefix or file:DIR")
	}
	b := Blobs{Kind: u.Scheme, Text: text}
	switch b.Kind {
	case BlobsInDir:
		return b, b.parseDir(u)
	case BlobsInS3, BlobsInAzB:
		return b, b.parseStore(u)
	}
	return Blobs{}, fmt.Errorf("%q begins with none of file:, s3:// and azblob://", text)
}

func (b *Blobs) parseDir(u *url.URL) error {
	if b.Dir = u.Opaque; b.Dir == "" {
		b.Dir = u.Path
	}
	if b.Dir == "" || u.Host != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not file:DIR", b.Text)
	}
	b.Dir = filepath.Clean(b.Dir)
	return nil
}

func (b *Blobs) parseStore(u *url.URL) error {
	if u.User != nil {
		b.Text = "" // it may hold a secret
		return errors.New("credentials do not belong into the URL: they are found where the tools of the store find them, as in the environment")
	}
	b.Bucket, b.Prefix = u.Host, strings.Trim(u.Path, "/")
	if b.Kind == BlobsInAzB {
		b.Account = u.Host
		b.Bucket, b.Prefix, _ = strings.Cut(b.Prefix, "/")
	}
	if u.Host == "" || b.Bucket == "" || u.Opaque != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not s3://BUCKET/PREFIX or azblob://ACCOUNT/CONTAINER/PREFIX", b.Text)
	}
	if err := checkPrefix(b.Prefix); err != nil {
		return err
	}
	return b.parseQuery(u.RawQuery)
}

// maxPrefix leaves room for keys in the names of objects, of 1024 bytes.
const maxPrefix = 512

func checkPrefix(prefix string) error {
	if len(prefix) > maxPrefix {
		return fmt.Errorf("the prefix is longer than %d bytes", maxPrefix)
	}
	for name := range strings.SplitSeq(prefix, "/") {
		if prefix != "" && (name == "" || name == "." || name == "..") {
			return fmt.Errorf("the prefix %q has a name that is empty or made of dots", prefix)
		}
	}
	return nil
}

func (b *Blobs) parseQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("%q: %w", raw, err)
	}
	for name, values := range query {
		if err := b.set(name, values[len(values)-1]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	b.PathStyle = b.PathStyle || b.Kind == BlobsInS3 && b.Endpoint != "" && !query.Has("path-style")
	return nil
}

// set takes a parameter of the URL.
func (b *Blobs) set(name, value string) (err error) {
	switch {
	case name == "endpoint":
		b.Endpoint = value
		return checkEndpoint(value)
	case name == "public-endpoint":
		b.PublicEndpoint = value
		return checkEndpoint(value)
	case b.Kind != BlobsInS3:
		return errors.New("is no parameter here: endpoint and public-endpoint are")
	}
	switch name {
	case "region":
		b.Region = value
	case "checksum":
		if b.Checksum = value; !slices.Contains([]string{"crc32c", "sha256", "md5"}, value) {
			return fmt.Errorf("%q is not crc32c, sha256 or md5", value)
		}
	case "path-style":
		b.PathStyle, err = parseBool(value)
	case "conditional-writes":
		b.Unconditional, err = parseBool(value)
		b.Unconditional = !b.Unconditional
	default:
		return errors.New("is no parameter: endpoint, public-endpoint, region, path-style, checksum and conditional-writes are")
	}
	return err
}

func parseBool(s string) (bool, error) {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", s)
	}
	return v, nil
}

func checkEndpoint(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("%q is not a URL such as https://s3.example.com", s)
	}
	return nil
}

func blobs(name, group, usage string, field func(*Config) *Blobs) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "URL",
		set: func(c *Config, v []string) (err error) { *field(c), err = parseBlobs(v[0]); return err },
		get: func(c *Config) []string { return nonEmpty(field(c).String()) },
	}
}
