package remote

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// Options of a Registry. The zero value speaks HTTPS as an anonymous caller.
type Options struct {
	// PlainHTTP speaks HTTP without TLS.
	PlainHTTP bool
	// Transport carries the requests. Default: NewTransport().
	Transport http.RoundTripper
	// Credential finds the credential of the registry. Default: anonymous.
	Credential auth.CredentialFunc
	// TokenHosts are names of hosts (no port) that may be the token service
	// of the registry beside those that the rules of package auth let through.
	TokenHosts []string
	// UserAgent. Default: orlop/<version>.
	UserAgent string
	// Header is sent to the registry's own origin, and nowhere else.
	Header http.Header
	// Retry says how often and how long to try again.
	Retry RetryOptions
	// Warn is given each text of a "Warning: 299" header once. It may be
	// called concurrently. Default: warnings are dropped.
	Warn func(text string)
	// PageSize is how many names a page of a list should hold. Default 1000.
	PageSize int
	// ChunkSize is how many bytes of an upload of unknown size are sent at
	// once, and held in memory for that. Default 16 MiB.
	ChunkSize int
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
// reason: a broken connection, or status 408, 429, 500, 502, 503, 504.
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
	TagNever                 // the registry's API or an error
	TagAlways                // never ask the API
)

// Registry is a registry over HTTP. It may be used concurrently.
type Registry struct{}

var _ orlop.Registry = (*Registry)(nil)

var errTODO = errors.New("not written yet")

// New returns the registry at host[:port]. The name docker.io stands for
// Docker Hub's registry-1.docker.io. Nothing is sent yet.
func New(host string, o Options) (*Registry, error) { return nil, errTODO }

// NewTransport returns a transport tuned for registries, to be adapted and
// given to New.
func NewTransport() *http.Transport { return nil }

// Host returns the name that the registry was opened with.
func (r *Registry) Host() string { return "" }

// Ping asks the registry whether it accepts the credentials: nil if so,
// ErrUnauthorized or ErrDenied if not.
func (r *Registry) Ping(ctx context.Context) error { return errTODO }

// Do sends a request to the registry's own origin, with the credentials and,
// if its body can be rewound, with retries. A URL without a host is taken
// relative to the origin; another origin is an error. It asks for a token of
// the scopes. The caller checks the status (see ResponseError) and closes the
// body.
func (r *Registry) Do(req *http.Request, scopes ...string) (*http.Response, error) {
	return nil, errTODO
}

// ResponseError reads the error of an answer that Do returned, at most 64 KiB
// of it, and returns it: an *orlop.Error wrapped with method and URL. It does
// not close the body.
func ResponseError(resp *http.Response) error { return errTODO }

func (r *Registry) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, errTODO
}

func (r *Registry) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	return orlop.Manifest{}, errTODO
}

func (r *Registry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, errTODO
}

func (r *Registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	return nil, errTODO
}

func (r *Registry) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	return errTODO
}

func (r *Registry) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error {
	return errTODO
}

func (r *Registry) Upload(ctx context.Context, repo, id string) (orlop.BlobWriter, error) {
	return nil, errTODO
}

func (r *Registry) PushManifest(ctx context.Context, repo, mediaType string, raw []byte, tags ...string) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, errTODO
}

func (r *Registry) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	return errTODO
}

func (r *Registry) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	return errTODO
}

func (r *Registry) DeleteTag(ctx context.Context, repo, tag string) error { return errTODO }

func (r *Registry) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	return nil
}

func (r *Registry) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	return nil
}

func (r *Registry) Referrers(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[orlop.Descriptor, error] {
	return nil
}
