package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/azblob"
	blobfs "github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/config"
)

// blobStore is a store that is open.
type blobStore interface {
	blob.Store
	io.Closer
}

// pinger is a store that other machines keep and that may be out of reach.
type pinger interface {
	Ping(ctx context.Context) error
}

// pingTime is how long the server waits for the store when it starts.
const pingTime = 15 * time.Second

// openBlobs opens the store that the configuration names. One that cannot be
// reached now is logged: the server starts all the same, as it goes on when the
// store fails later. One that refuses us is an error.
func (s *Server) openBlobs(ctx context.Context) error {
	store, err := openStore(ctx, s.cfg.Blobs, s.dir.join("blobs"))
	if err != nil {
		return err
	}
	s.blobs = store
	if err := pingBlobs(ctx, s.blobs, s.log); err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	return nil
}

// openStore opens a store; dir is where files are if nothing else is said.
func openStore(ctx context.Context, c config.Blobs, dir string) (blobStore, error) {
	switch c.Kind {
	case config.BlobsInS3:
		return s3.Open(ctx, s3.Options{
			Bucket: c.Bucket, Prefix: c.Prefix, Endpoint: c.Endpoint, PublicEndpoint: c.PublicEndpoint, Region: c.Region,
			PathStyle: c.PathStyle, Checksum: s3.Checksum(c.Checksum), Unconditional: c.Unconditional,
		})
	case config.BlobsInAzB:
		return azblob.Open(ctx, azblob.Options{
			Account: c.Account, Container: c.Bucket, Prefix: c.Prefix, Endpoint: c.Endpoint, PublicEndpoint: c.PublicEndpoint,
		})
	case config.BlobsInDir:
		dir = c.Dir
	}
	return blobfs.Open(dir, blobfs.Options{})
}

func pingBlobs(ctx context.Context, store blobStore, log *slog.Logger) error {
	remote, ok := store.(pinger)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	err := remote.Ping(ctx)
	if errors.Is(err, blob.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		log.WarnContext(ctx, "the blob store does not answer", "error", err)
		return nil
	}
	return err
}

// probeBlobs tells whether the store can be reached.
func (s *Server) probeBlobs(ctx context.Context) error {
	if remote, ok := s.blobs.(pinger); ok {
		return remote.Ping(ctx)
	}
	return nil
}
