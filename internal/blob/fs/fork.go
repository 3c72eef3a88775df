package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

var _ blob.Forker = (*Store)(nil)

// Fork implements blob.Forker by a copy: a process that has the old file open
// goes on writing to that.
func (s *Store) Fork(ctx context.Context, from, to string, offset int64, _ []byte) (blob.Writer, error) {
	if err := begin(ctx, from); err != nil {
		return nil, err
	}
	old, err := s.openAny(from)
	if err != nil {
		return nil, fmt.Errorf("fork object %s: %w", from, failure(err))
	}
	defer old.Close()
	size, err := old.Size()
	if err == nil && (offset < 0 || offset > size) {
		err = blob.ErrShort
	}
	if err != nil {
		return nil, fmt.Errorf("fork object %s: %w", from, failure(err))
	}
	w, err := s.Create(ctx, to)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, io.NewSectionReader(old, 0, offset)); err != nil {
		w.Close()
		return nil, fmt.Errorf("fork object %s: %w", from, err)
	}
	return w, nil
}

// openAny opens an object for reading, committed or not.
func (s *Store) openAny(key string) (fsys.File, error) {
	file, err := s.files.Open(uploadName(key))
	if errors.Is(err, iofs.ErrNotExist) {
		file, err = s.files.Open(dataName(key))
	}
	return file, err
}
