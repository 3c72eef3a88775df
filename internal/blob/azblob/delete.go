package azblob

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/orlop/orlop/internal/blob"
)

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	err := s.remove(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		err = s.discard(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("delete object %s: %w", key, err)
	}
	return nil
}

// remove deletes a blob, with its snapshots.
func (s *Store) remove(ctx context.Context, key string) error {
	snapshots := azure.DeleteSnapshotsOptionTypeInclude
	_, err := s.blob(key).Delete(s.short(ctx), &azure.DeleteOptions{DeleteSnapshots: &snapshots})
	return failure(ctx, err)
}

// discard deletes the blocks of a blob that was never committed, where the
// service does not take them for a blob when it is to delete it: an empty blob
// takes their place and is deleted.
func (s *Store) discard(ctx context.Context, key string) error {
	switch blocks, err := s.uncommitted(ctx, key); {
	case errors.Is(err, blob.ErrNotFound), err == nil && len(blocks) == 0:
		return nil
	case err != nil:
		return err
	}
	empty := streaming.NopCloser(strings.NewReader(""))
	if _, err := s.blob(key).Upload(s.short(ctx), empty, nil); err != nil {
		return failure(ctx, err)
	}
	if err := s.remove(ctx, key); !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	return nil
}
