package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

// Registry is a registry over HTTP. It may be used concurrently.
type Registry struct {
	name   string   // as opened
	origin *url.URL // scheme and host
	o      Options
	client *http.Client

	referrersAPI atomic.Int32 // what is known: see referrers.go
	twoStep      atomic.Bool  // the registry takes no blob by one POST
	noBareMount  atomic.Bool  // the registry takes no mount without a repository to mount from
	together     atomic.Bool  // the registry says that small blobs can be moved together
	apart        atomic.Bool  // and does not keep it
	heeds        atomic.Bool  // the registry says that it heeds conditions on tags
	pushes       *queue       // of small blobs
	reads        *queue
	uploads      sync.Map   // of uploadKey: those that Options.Uploads remembers for this process
	tagMu        sync.Mutex // held while a fallback tag is read and written
}

var (
	_ orlop.Registry     = (*Registry)(nil)
	_ orlop.DigestPusher = (*Registry)(nil)
	_ orlop.MountPusher  = (*Registry)(nil)
	_ orlop.SmallReader  = (*Registry)(nil)
)

// New returns the registry at host[:port]. The name docker.io stands for
// Docker Hub's registry-1.docker.io. Nothing is sent yet.
func New(host string, o Options) (*Registry, error) {
	if err := ref.ValidateRegistry(host); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	o = o.withDefaults()
	r := &Registry{name: host, o: o, origin: &url.URL{Scheme: "https", Host: strings.ToLower(host)}}
	if o.PlainHTTP {
		r.origin.Scheme = "http"
	}
	if host == "docker.io" {
		r.origin.Host = "registry-1.docker.io"
	}
	r.pushes, r.reads = newQueue(r.movesTogether, r.pushBatch), newQueue(r.movesTogether, r.readBatch)
	r.client = &http.Client{Transport: r.transport(), CheckRedirect: r.checkRedirect}
	return r, nil
}

// transport stacks the layers of a request: authorised, then tried again, then
// dressed, then watched for progress.
func (r *Registry) transport() http.RoundTripper {
	return auth.NewTransport(
		&retrier{base: &dresser{base: &watcher{base: r.o.Transport, idle: r.o.IdleTimeout}, o: r.o, origin: r.origin}, o: r.o.Retry},
		auth.Options{Origin: r.origin, Registry: r.name, Credential: r.o.Credential, Tokens: r.o.Tokens, TokenHosts: r.o.TokenHosts},
	)
}

// Host returns the name that the registry was opened with.
func (r *Registry) Host() string { return r.name }

// Ping asks the registry whether it accepts the credentials: nil if so,
// ErrUnauthorized or ErrDenied if not.
func (r *Registry) Ping(ctx context.Context) error {
	resp, err := r.send(ctx, call{
		method: http.MethodGet, path: "/v2/", want: []int{http.StatusOK},
		absent: orlop.ErrUnsupported.With("this host does not speak the OCI distribution protocol"),
	})
	if err != nil {
		return err
	}
	return drop(resp)
}

// Do sends a request to the registry's own origin, with the credentials and,
// if its body can be rewound, with retries. A URL without a host is taken
// relative to the origin; another origin is an error. It asks for a token of
// the scopes. The caller checks the status (see ResponseError) and closes the
// body.
func (r *Registry) Do(req *http.Request, scopes ...string) (*http.Response, error) {
	u := r.origin.ResolveReference(req.URL)
	if !auth.SameOrigin(u, r.origin) {
		return nil, fmt.Errorf("%s %s: not at registry %s", req.Method, scrub(u), r.name)
	}
	req = req.Clone(auth.WithScopes(req.Context(), r.name, scopes...))
	req.URL = u
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, &requestError{method: req.Method, url: scrub(u), err: cause(err)}
	}
	return resp, nil
}

// check returns the first error.
func check(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
