package remote

import (
	"cmp"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/orlop/orlop/remote/auth"
)

// Options of a Registry. The zero value speaks HTTPS as an anonymous caller.
type Options struct {
	// PlainHTTP speaks HTTP without TLS.
	PlainHTTP bool
	// Transport carries the requests, those to the token service and to the
	// targets of redirects too. Default: NewTransport().
	Transport http.RoundTripper
	// Credential finds the credential of the registry; it is given the name
	// that the registry was opened with. Default: anonymous.
	Credential auth.CredentialFunc
	// Tokens keeps access tokens between processes of one user. An access token
	// that Credential gives is not kept. Default: none.
	Tokens auth.TokenStore
	// Uploads remembers the uploads of large blobs that have begun, so that a
	// later process goes on with them. Default: none.
	Uploads UploadStore
	// TokenHosts are names of hosts (no port) that may be the token service
	// of the registry beside those that the rules of package auth let through.
	TokenHosts []string
	// UserAgent. Default: orlop/<version>.
	UserAgent string
	// Header is sent to the registry's own origin, and nowhere else.
	Header http.Header
	// Retry says how often and how long to try again.
	Retry RetryOptions
	// Warn is given each text of a "Warning: 299" header once, as the registry
	// sent it. It may be called concurrently. Default: warnings are dropped.
	Warn func(text string)
	// PageSize is how many names a page of a list should hold. Default 1000.
	PageSize int
	// ChunkSize is how many bytes of an upload of unknown size are sent at
	// once at most. Two chunks are held in memory for that. Default 8 MiB.
	ChunkSize int
	// Parallel is how many parts of a large blob, of 4 MiB each, are fetched at
	// once where a registry is far away and serves ranges; as many are held in
	// memory. Default 4; 1: never in parts.
	Parallel int
	// ReferrersTag says whether referrers are kept in the fallback tag.
	ReferrersTag TagMode
	// IdleTimeout ends a transfer that moves no byte for so long; it is then
	// tried again. Default 60 s, negative: never.
	IdleTimeout time.Duration
	// Log is told about each request at level debug, without secrets.
	// Default: nothing is logged.
	Log *slog.Logger
}

// RetryOptions say how requests are tried again that failed for a passing
// reason: a broken connection, or status 408, 429, 500, 502, 503, 504. Requests
// whose body cannot be rewound are sent once.
type RetryOptions struct {
	// Attempts is how often to try in all. Default 5; 1: never again.
	Attempts int
	// MinWait is the wait before the second attempt; it doubles with each one,
	// and is varied by up to a quarter. Default 250 ms.
	MinWait time.Duration
	// MaxWait is the longest such wait. Default 5 s.
	MaxWait time.Duration
	// MaxRetryAfter is the longest wait that a registry may ask for by
	// Retry-After; a longer one ends the request. Default 60 s.
	MaxRetryAfter time.Duration
}

// TagMode says when the referrers of a manifest are kept in the fallback tag
// of the distribution specification ("Referrers Tag Schema").
type TagMode int

// The modes of the fallback tag.
const (
	TagAuto   TagMode = iota // if the registry has no referrers API
	TagNever                 // use the registry's API only
	TagAlways                // never ask the API, and keep the tag at registries that have one
)

// withDefaults fills in what is left zero.
func (o Options) withDefaults() Options {
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	o.UserAgent = cmp.Or(o.UserAgent, "orlop/"+version())
	o.PageSize = cmp.Or(o.PageSize, 1000)
	o.ChunkSize = cmp.Or(o.ChunkSize, 8<<20)
	o.Parallel = cmp.Or(o.Parallel, 4)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 60*time.Second)
	o.Retry = o.Retry.withDefaults()
	return o
}

func (o RetryOptions) withDefaults() RetryOptions {
	return RetryOptions{
		Attempts:      cmp.Or(o.Attempts, 5),
		MinWait:       cmp.Or(o.MinWait, 250*time.Millisecond),
		MaxWait:       cmp.Or(o.MaxWait, 5*time.Second),
		MaxRetryAfter: cmp.Or(o.MaxRetryAfter, 60*time.Second),
	}
}

// version is the version of this module in the running program.
func version() string {
	const module = "github.com/orlop/orlop"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" {
			return strings.Trim(m.Version, "()")
		}
	}
	return "unknown"
}
