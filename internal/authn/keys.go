package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// Purposes of server keys.
const (
	purposeSign   = "token-signing"
	purposeTenant = "tenant"
	purposeAdmin  = "admin-user"
)

// keptKeys is how many signing keys are good for checking: the newest, which
// signs, and those before it.
const keptKeys = 3

// keyring holds the keys that sign tokens, and the id of the installation.
type keyring struct {
	store  KeyStore
	now    func() time.Time
	tenant string
	admin  []byte // of which the passwords of the admin user are derived

	following sync.Mutex   // held while keys are read again
	followed  atomic.Int64 // version of the store's identities that they are of

	mu     sync.RWMutex
	newest *signingKey
	// byHeader finds a key by the header of a token, byte for byte as we write
	// it. A token with any other header is none of ours; what its header says
	// is not even read.
	byHeader map[string]*signingKey
}

// signingKey is an ECDSA key on P-256 that signs with ES256.
type signingKey struct {
	header string // of its tokens, as encoded
	public *ecdsa.PublicKey
	signer jose.Signer
}

func openKeyring(ctx context.Context, store KeyStore, now func() time.Time) (*keyring, error) {
	k := &keyring{store: store, now: now}
	tenant, err := k.ensure(ctx, purposeTenant, func() (string, []byte, error) {
		id := uuid.New()
		return id.String(), id[:], nil
	})
	if err != nil {
		return nil, err
	}
	k.tenant = tenant[0].ID
	admin, err := k.ensure(ctx, purposeAdmin, newAdminKey)
	if err != nil {
		return nil, err
	}
	k.admin = admin[0].Secret
	keys, err := k.ensure(ctx, purposeSign, newSigningKey)
	if err != nil {
		return nil, err
	}
	_, err = k.use(keys)
	return k, err
}

// ensure returns the keys of a purpose, of which it makes the first.
func (k *keyring) ensure(ctx context.Context, purpose string, create func() (string, []byte, error)) ([]meta.ServerKey, error) {
	keys, err := k.store.ServerKeys(ctx, purpose)
	if err == nil && len(keys) == 0 {
		var id string
		var secret []byte
		if id, secret, err = create(); err != nil {
			return nil, fmt.Errorf("make key %s: %w", purpose, err)
		}
		if err = k.store.EnsureServerKey(ctx, meta.ServerKey{ID: id, Purpose: purpose, Secret: secret, Created: k.now()}); err == nil {
			keys, err = k.store.ServerKeys(ctx, purpose)
		}
	}
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("the store kept none")
	}
	if err != nil {
		return nil, fmt.Errorf("server key %s: %w", purpose, err)
	}
	return keys, nil
}

func newSigningKey() (id string, der []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	der, err = x509.MarshalPKCS8PrivateKey(key)
	return uuid.NewString(), der, err
}

// use takes the newest keys, which come first. dropped tells whether one that was
// good before is not any more.
func (k *keyring) use(keys []meta.ServerKey) (dropped bool, err error) {
	byHeader := map[string]*signingKey{}
	var newest *signingKey
	for _, stored := range slices.Backward(keys[:min(len(keys), keptKeys)]) {
		key, err := openSigningKey(stored)
		if err != nil {
			return false, fmt.Errorf("signing key %s: %w", stored.ID, err)
		}
		byHeader[key.header], newest = key, key
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for header := range k.byHeader {
		dropped = dropped || byHeader[header] == nil
	}
	k.byHeader, k.newest = byHeader, newest
	return dropped, nil
}

func openSigningKey(stored meta.ServerKey) (*signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(stored.Secret)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, fmt.Errorf("not an ECDSA key on P-256")
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: stored.ID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	key := &signingKey{public: &private.PublicKey, signer: signer}
	sample, err := key.sign([]byte("{}"))
	key.header, _, _ = strings.Cut(sample, ".")
	return key, err
}

func (s *signingKey) sign(payload []byte) (string, error) {
	signed, err := s.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// sign signs with the newest key.
func (k *keyring) sign(payload []byte) (string, error) {
	k.mu.RLock()
	key := k.newest
	k.mu.RUnlock()
	return key.sign(payload)
}

// ours tells whether a token says that one of the keys has signed it.
func (k *keyring) ours(token string) bool {
	header, _, _ := strings.Cut(token, ".")
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.byHeader[header] != nil
}

// open returns the payload of a token that one of the keys has signed.
func (k *keyring) open(token string) ([]byte, bool) {
	header, _, _ := strings.Cut(token, ".")
	k.mu.RLock()
	key := k.byHeader[header]
	k.mu.RUnlock()
	if key == nil {
		return nil, false
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, false
	}
	payload, err := signed.Verify(key.public)
	return payload, err == nil
}

// RotateKeys makes a new key that signs from now on, on all nodes. Tokens signed
// by the two before it stay good.
func (a *Authenticator) RotateKeys(ctx context.Context) error {
	id, der, err := newSigningKey()
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	k := a.keys
	if err := k.store.AddServerKey(ctx, meta.ServerKey{ID: id, Purpose: purposeSign, Secret: der, Created: k.now()}); err != nil {
		return fmt.Errorf("store signing key: %w", err)
	}
	dropped, err := k.read(ctx)
	if dropped {
		a.sessions.clear() // of tokens that it has signed
	}
	return err
}

// Tenant is the UUID of this installation, made at its first start.
func (a *Authenticator) Tenant() string { return a.keys.tenant }
