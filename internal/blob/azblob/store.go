// Package azblob keeps objects as block blobs in a container of Azure Blob
// Storage. The name of a blob is the store's prefix and the object's key.
//
// # Uploads
//
// Content goes straight to the blob of its key, in blocks that stay uncommitted
// until Commit names them all, in order. Blocks have no smallest size, so
// nothing is kept aside between requests: the state of a Sync is the list of the
// blocks so far, and any node goes on from it. The id of a block says which
// writer staged it, so that a request of a node that was thought dead cannot
// change what another has staged meanwhile. Content of one block needs no list:
// it is one request at Commit.
//
// # What is left over
//
// Blocks that no Commit names are dropped by it. Blobs of which nothing was
// committed are not listed by most tools; Delete removes them, and Azure does so
// itself a week after the last block.
package azblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/orlop/orlop/internal/blob"
)

// Options of a Store.
type Options struct {
	// Account is the name of the storage account. It may be left out where a
	// connection string names it.
	Account string
	// Container is the name of the container, which must exist.
	Container string
	// Endpoint is the URL of the account's blob service; "" is
	// https://ACCOUNT.blob.core.windows.net, or that of the connection string.
	Endpoint string
	// PublicEndpoint is Endpoint as clients reach it, for URL; "" is Endpoint.
	PublicEndpoint string
	// Prefix is what the names of all blobs begin with; "" is nothing. What
	// does not end in a slash gets one.
	Prefix string
	// Credentials are how the account is reached.
	Credentials Credentials
	// Attempts is how often a request is sent before it is given up; 0 is 5,
	// which takes about five seconds.
	Attempts int
}

// Store keeps objects in a container.
type Store struct {
	container *container.Client
	name      string // of the container
	prefix    string
	signer    signer // nil: the credentials cannot sign
	public    string // URL of the container as clients reach it
	transport *http.Transport
	attempts  int
	buffers   buffers
}

var (
	_ blob.Store      = (*Store)(nil)
	_ blob.PartOpener = (*Store)(nil)
	_ blob.Signer     = (*Store)(nil)
)

// Open makes a store. It sends no request; see Ping.
func Open(_ context.Context, o Options) (*Store, error) {
	s := &Store{name: o.Container, prefix: strings.TrimPrefix(o.Prefix, "/"), attempts: cmp.Or(o.Attempts, defaultAttempts)}
	if s.prefix != "" && !strings.HasSuffix(s.prefix, "/") {
		s.prefix += "/"
	}
	err := errors.New("no container is named")
	if o.Container != "" {
		err = s.connect(o)
	}
	if err != nil {
		return nil, fmt.Errorf("open store in Azure Blob Storage: %w", err)
	}
	return s, nil
}

// Close closes connections that are not in use.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Ping tells whether the container can be reached: it asks for one name.
func (s *Store) Ping(ctx context.Context) error {
	one := int32(1)
	pages := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &s.prefix, MaxResults: &one})
	if _, err := pages.NextPage(s.short(ctx)); err != nil {
		return fmt.Errorf("container %s: %w", s.name, failure(ctx, err))
	}
	return nil
}

func (s *Store) blob(key string) *blockblob.Client {
	return s.container.NewBlockBlobClient(s.prefix + key)
}

func begin(ctx context.Context, key string) error {
	if err := blob.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}
