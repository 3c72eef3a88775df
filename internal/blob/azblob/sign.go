package azblob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// signer signs what a URL allows.
type signer interface {
	sign(ctx context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error)
}

// URL implements blob.Signer: the URL allows to read the one object. With a
// shared access signature for credentials it is errors.ErrUnsupported: that
// signature allows more, and nothing else can be made of it.
func (s *Store) URL(ctx context.Context, key string, life time.Duration) (string, error) {
	if err := begin(ctx, key); err != nil {
		return "", err
	}
	if s.signer == nil {
		return "", fmt.Errorf("sign with a shared access signature: %w", errors.ErrUnsupported)
	}
	v := sas.BlobSignatureValues{
		Protocol:      sas.ProtocolHTTPS,
		ExpiryTime:    time.Now().UTC().Add(life),
		Permissions:   (&sas.BlobPermissions{Read: true}).String(),
		ContainerName: s.name,
		BlobName:      s.prefix + key,
	}
	if strings.HasPrefix(s.public, "http:") {
		v.Protocol = sas.ProtocolHTTPSandHTTP
	}
	query, err := s.signer.sign(ctx, v)
	if err != nil {
		return "", fmt.Errorf("sign URL of object %s: %w", key, err)
	}
	return s.public + "/" + url.PathEscape(s.prefix+key) + "?" + query.Encode(), nil
}

// keySigner signs with the account's key.
type keySigner struct {
	key *container.SharedKeyCredential
}

func (k keySigner) sign(_ context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error) {
	return v.SignWithSharedKey(k.key)
}

// tokenSigner signs with a key that the service lends to an identity.
type tokenSigner struct {
	store   *Store
	account *service.Client

	mu      sync.Mutex // guards what follows, and is held while a key is asked for
	key     *service.UserDelegationCredential
	expires time.Time
}

// Keys are asked for so that a signature lives no longer than its key, and once
// a day or so. They could live for a week.
const (
	keyLife  = 24 * time.Hour
	keySpare = time.Hour // that a key must live on, beyond what it signs
	skew     = 15 * time.Minute
)

func (t *tokenSigner) sign(ctx context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error) {
	key, err := t.delegated(ctx, v.ExpiryTime)
	if err != nil {
		return sas.QueryParameters{}, err
	}
	return v.SignWithUserDelegation(key)
}

// delegated is a key that is good until a time.
func (t *tokenSigner) delegated(ctx context.Context, until time.Time) (*service.UserDelegationCredential, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until.Before(t.expires) {
		return t.key, nil
	}
	now := time.Now().UTC()
	expires := until.Add(keySpare)
	if expires.Before(now.Add(keyLife)) {
		expires = now.Add(keyLife)
	}
	start, end := now.Add(-skew).Format(sas.TimeFormat), expires.Format(sas.TimeFormat)
	key, err := t.account.GetUserDelegationCredential(t.store.short(ctx), service.KeyInfo{Start: &start, Expiry: &end}, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for a key to sign with: %w", failure(ctx, err))
	}
	t.key, t.expires = key, expires
	return key, nil
}
