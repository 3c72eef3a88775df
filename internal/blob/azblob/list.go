package azblob

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/orlop/orlop/internal/blob"
)

// List implements blob.Store. The service does not tell the size of what is not
// committed.
func (s *Store) List(ctx context.Context, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		from := s.prefix + after
		pages := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
			Prefix:    &s.prefix,
			StartFrom: &from,
			Include:   container.ListBlobsInclude{Metadata: true, UncommittedBlobs: true},
		})
		for pages.More() {
			page, err := pages.NextPage(s.short(ctx))
			if err != nil {
				yield(blob.Info{}, fmt.Errorf("list objects: %w", failure(ctx, err)))
				return
			}
			for _, item := range page.Segment.BlobItems {
				info, ok := s.info(item)
				if ok && info.Key > after && !yield(info, nil) {
					return
				}
			}
		}
	}
}

// info describes a blob that is an object of the store.
func (s *Store) info(item *container.BlobItem) (blob.Info, bool) {
	if item.Name == nil || item.Properties == nil {
		return blob.Info{}, false
	}
	key, ok := strings.CutPrefix(*item.Name, s.prefix)
	if !ok || blob.ValidateKey(key) != nil {
		return blob.Info{}, false
	}
	info := blob.Info{Key: key, Committed: marked(item.Metadata) != ""}
	if size := item.Properties.ContentLength; size != nil {
		info.Size = *size
		info.Committed = info.Committed || *size > 0 // copied without its metadata
	}
	if modified := item.Properties.LastModified; modified != nil {
		info.Modified = *modified
	}
	return info, true
}
