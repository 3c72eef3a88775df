package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"iter"
	"path"
	"slices"

	"github.com/orlop/orlop/internal/blob"
)

// List implements blob.Store. It holds the keys of the uploads and of one
// shard at a time. Files that are no objects are passed over. An object that
// is committed meanwhile is listed once.
func (s *Store) List(ctx context.Context, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		err := s.list(ctx, after, func(info blob.Info) bool { return yield(info, nil) })
		if err != nil {
			yield(blob.Info{}, fmt.Errorf("list objects: %w", err))
		}
	}
}

// list walks the shards in order, each together with its uploads: a shard's
// name is the beginning of its keys, so that this is the order of the keys.
func (s *Store) list(ctx context.Context, after string, yield func(blob.Info) bool) error {
	uploads, err := s.keys(uploadsDir, after)
	if err != nil {
		return err
	}
	shards, err := s.shardsFrom(shardOf(after), uploads)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		keys, err := s.keys(path.Join(dataDir, shard), after)
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
		keys = append(keys, uploads...)
		keys = slices.DeleteFunc(keys, func(key string) bool { return shardOf(key) != shard })
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			if more, err := s.listOne(ctx, key, yield); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// shardsFrom are the shards there are and those that uploads will come to, in
// order, from one on.
func (s *Store) shardsFrom(first string, uploads []string) ([]string, error) {
	shards, err := s.files.ReadDir(dataDir)
	for _, key := range uploads {
		shards = append(shards, shardOf(key))
	}
	shards = slices.DeleteFunc(shards, func(name string) bool {
		return name < first || blob.ValidateKey(name) != nil || shardOf(name) != name
	})
	slices.Sort(shards)
	return slices.Compact(shards), err
}

// keys are the keys in a directory, in order, strictly after one.
func (s *Store) keys(dir, after string) ([]string, error) {
	names, err := s.files.ReadDir(dir)
	return slices.DeleteFunc(names, func(name string) bool {
		return name <= after || blob.ValidateKey(name) != nil
	}), err
}

// listOne yields an object, if it is still there.
func (s *Store) listOne(ctx context.Context, key string, yield func(blob.Info) bool) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// The upload is looked for between two looks for the object, so that one
	// that is committed in between is not missed.
	for _, name := range []string{dataName(key), uploadName(key), dataName(key)} {
		info, err := s.files.Stat(name)
		if err == nil {
			committed := name == dataName(key)
			return yield(blob.Info{Key: key, Size: info.Size, Committed: committed, Modified: info.Modified}), nil
		}
		if !errors.Is(err, iofs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}
