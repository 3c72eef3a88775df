package layout

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// Batch puts off the writing of index.json, which takes the longer the more
// entries it has, until Commit or Close; what was pushed is durable after that
// only. From now on manifests that are pushed are seen through this Registry at
// once and by others when it is committed. If the process is killed before, they
// can still be found by their digests, but have no entries and no tags. Deleting
// commits what was put off.
//
// A layout that is being written to a tar file is always a batch.
func (r *Registry) Batch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.files.(store); ok && r.pending == nil {
		s.batch()
		r.pending = newNames()
	}
}

// Commit writes what a batch has put off. It completes a layout that is being
// written to a tar file: the file appears under its name, and can only be read
// from then on. Otherwise there is nothing to do.
//
// In a directory the batch goes on, and others may push and delete meanwhile; a
// manifest that was deleted since it was pushed stays so.
func (r *Registry) Commit(ctx context.Context) error {
	s, ok := r.files.(store)
	if !ok {
		return nil
	}
	r.mu.Lock()
	if r.pending == nil {
		r.mu.Unlock()
		return nil
	}
	pushed := r.pending.clone()
	r.mu.Unlock()
	if err := s.commit(ctx, pushed); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending.remove(pushed)
	return nil
}

// putOff leaves an entry to the batch, if there is one.
func (r *Registry) putOff(desc orlop.Descriptor, tags []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		return false
	}
	r.pending.add(desc, tags)
	return true
}

func (r *Registry) isBatch() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending != nil
}

// commit adds entries to index.json.
func (d *dir) commit(ctx context.Context, pushed *names) error {
	if err := d.settleAll(); err != nil || len(pushed.entries) == 0 {
		return err
	}
	return d.changeIndex(ctx, func(entries []orlop.Descriptor) ([]orlop.Descriptor, error) {
		var damaged error
		left := pushed.clone()
		left.keep(func(dgst digest.Digest) bool {
			_, err := d.stat(blobPath(dgst))
			if err = unknown(err, orlop.ErrManifestUnknown, dgst); err != nil && !errors.Is(err, orlop.ErrManifestUnknown) {
				damaged = err
			}
			return err == nil
		})
		return left.merge(entries), damaged
	})
}
