package authn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// ErrBadCredentials: the credentials are malformed, wrong, expired or revoked.
// It does not tell which.
var ErrBadCredentials = errors.New("bad credentials")

const (
	// maxAuthorization is the longest credential that is looked at, in bytes.
	maxAuthorization = 8 << 10
	// secretTTL is how long a verified secret is remembered.
	secretTTL = 5 * time.Minute
	// maxSessions is how many verified credentials are remembered.
	maxSessions = 4096
)

// Options change an Authenticator. The zero value is the default.
type Options struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// AnonymousPull lets anybody pull from every repository. Otherwise the
	// metadata store tells.
	AnonymousPull bool
	// Federation knows the issuers that are trusted; nil trusts none.
	Federation Federation
	// Log is for failed sign-ins; nil discards.
	Log *slog.Logger
}

// Authenticator tells who a caller is, changes principals and issues tokens.
// Its methods may be called concurrently.
type Authenticator struct {
	store         Store
	directory     directory // who may sign in
	now           func() time.Time
	anonymousPull bool
	log           *slog.Logger
	federation    Federation

	keys     *keyring
	people   *people
	versions *versions // of what is kept here, where other processes change it
	guard    *guard
	salt     [32]byte // of the keys of sessions
	sessions *cache[sessionKey, *Session]
	flights  singleflight.Group
	hashing  chan struct{} // one for each password being hashed
	waiting  atomic.Int32

	adminPassword atomic.Pointer[string] // to be put in force; see settle
	settling      sync.Mutex             // held while that is done
	proven        atomic.Pointer[proven] // of the password that was put in force
}

// New returns an Authenticator on a store, and makes the server's keys if it
// has none yet.
func New(ctx context.Context, store Store, o Options) (*Authenticator, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Federation == nil {
		o.Federation = noFederation{}
	}
	keys, err := openKeyring(ctx, store, o.Now)
	if err != nil {
		return nil, err
	}
	a := &Authenticator{
		store: store, directory: directory{store}, now: o.Now, anonymousPull: o.AnonymousPull, log: o.Log, federation: o.Federation,
		keys: keys, people: newPeople(directory{store}, o.Now), guard: newGuard(),
		versions: &versions{query: store.IdentityVersion},
		sessions: newCache[sessionKey, *Session](maxSessions),
		hashing:  make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	rand.Read(a.salt[:])
	return a, nil
}

// sessionKey stands for a credential that was verified for a registry. It is a
// hash with a random salt of this process, so that memory holds no secret.
type sessionKey [sha256.Size]byte

func (a *Authenticator) sessionKey(registry int64, authorization string) sessionKey {
	var buf [1024]byte
	b := append(buf[:0], a.salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(registry))
	return sha256.Sum256(append(b, authorization...))
}

// Authenticate tells who shows the value of an Authorization header, "" for
// nobody. from is the address of the caller, by which wrong secrets are
// counted. Errors are ErrBadCredentials, a *ThrottledError, or of the store.
func (a *Authenticator) Authenticate(ctx context.Context, registry int64, from netip.Addr, authorization string) (*Session, error) {
	if authorization == "" {
		return &Session{}, nil
	}
	if len(authorization) > maxAuthorization {
		return nil, ErrBadCredentials
	}
	if err := a.follow(ctx); err != nil {
		return nil, err
	}
	key := a.sessionKey(registry, authorization)
	if s, ok := a.sessions.get(key); ok {
		if s, err := a.present(ctx, key, s); s != nil || err != nil {
			return s, err
		}
	}
	// A client that opens ten connections at once has its password hashed once.
	// Nobody joins a check that began before the last change of a principal: it
	// may have read what has gone since.
	flight := string(binary.BigEndian.AppendUint64(key[:], a.people.version()))
	s, err, _ := a.flights.Do(flight, func() (any, error) {
		s, err := a.verify(context.WithoutCancel(ctx), registry, from, authorization)
		if err == nil {
			a.sessions.put(key, s)
		}
		return s, err
	})
	if err != nil {
		return nil, err
	}
	return s.(*Session), nil
}

// present returns a remembered session with the principal as it is now; nil if
// it has ended.
func (a *Authenticator) present(ctx context.Context, key sessionKey, s *Session) (*Session, error) {
	now := a.now()
	if expired(s.until, now) {
		a.sessions.drop(key)
		return nil, nil
	}
	if s.Identity == nil || s.Identity.current(now) {
		return s, nil
	}
	id, err := a.identity(ctx, s.Identity.Registry, s.Identity.ID, s.Identity.Name, s.proof)
	if err != nil {
		return nil, err
	}
	if id == nil {
		a.sessions.drop(key)
		return nil, nil
	}
	renewed := *s
	renewed.Identity = id
	a.sessions.put(key, &renewed)
	return &renewed, nil
}

func (a *Authenticator) verify(ctx context.Context, registry int64, from netip.Addr, authorization string) (*Session, error) {
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	c, ok := parseAuthorization(authorization)
	switch {
	case !ok:
		return nil, ErrBadCredentials
	case c.token != "":
		s, err := a.token(ctx, registry, c.token)
		if err == nil && s.Means != Access {
			return nil, ErrBadCredentials // a refresh token only gets tokens
		}
		return s, err
	case c.user == NullUser:
		s, err := a.token(ctx, registry, c.secret)
		if err == nil && s.Means == Management {
			return nil, ErrBadCredentials // it is for the exchange
		}
		return s, err
	default:
		return a.signIn(ctx, registry, from, c.user, c.secret)
	}
}
