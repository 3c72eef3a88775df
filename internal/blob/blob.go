// Package blob stores content under opaque keys, each used once and never
// again. It knows no digests and no repositories: the metadata says which key
// holds which digest. Backends are in blob/fs and blob/mem; blobtest is the
// suite that each passes.
//
// Integrity is kept once, above the backends: a Digester hashes content and
// sums every MiB of it as it is written, a Reader checks every MiB it reads.
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors of a Store.
var (
	// ErrNotFound: nothing is stored under the key.
	ErrNotFound = errors.New("no such object")
	// ErrExists: the key has been used before.
	ErrExists = errors.New("object exists")
	// ErrShort: fewer bytes are stored than the offset to append at.
	ErrShort = errors.New("object is shorter than expected")
	// ErrFull: no space is left.
	ErrFull = errors.New("no space left")
	// ErrUnavailable: the store cannot be reached or asks to come back later.
	ErrUnavailable = errors.New("store is unavailable")
)

// Store keeps objects. All methods may be called concurrently; one key is
// written by one Writer at a time, which the caller sees to. Keys are as
// ValidateKey says; others are refused with ErrKey.
type Store interface {
	// Create begins an object. If the key has one that is committed, this or
	// Commit gives ErrExists. That no key is used twice is for the caller to see to.
	Create(ctx context.Context, key string) (Writer, error)
	// Append goes on with an object that was begun and not committed, after
	// cutting it to offset bytes: those that it had at a Sync, which gave state.
	// ErrNotFound if there is none, ErrShort if fewer bytes are there.
	Append(ctx context.Context, key string, offset int64, state []byte) (Writer, error)
	// Open opens a committed object. ErrNotFound if there is none.
	Open(ctx context.Context, key string) (Object, error)
	// Delete removes an object, committed or not, and all that was synced of it.
	// An absent one is no error. Somebody who is writing it meanwhile may fail, or
	// bring it back at Commit: it is to be deleted once more then.
	Delete(ctx context.Context, key string) error
	// List yields all objects, in key order, strictly after a key.
	List(ctx context.Context, after string) iter.Seq2[Info, error]
}

// Writer appends to an object. The context of Create or Append is that of all
// it does. After any error it must only be closed. A failed
// Write leaves what was synced before, to be appended to, or nothing if that is
// nothing; a failed Sync or Commit leaves that or nothing, since bytes whose sync
// failed are never trusted again. ErrFull if no space is left, ErrUnavailable if
// the same may succeed later.
type Writer interface {
	io.Writer
	// Sync makes everything written durable, to be appended to after a restart
	// or in another process. state is what Append needs to know then, at most a
	// few bytes for every MiB written; nil if it needs nothing. The states that
	// earlier Syncs of this Writer gave, and the one it began with, stay good
	// until somebody goes on from this one.
	Sync() (state []byte, err error)
	// Commit makes the object durable and visible to Open, and closes.
	Commit() error
	// Close keeps what was synced; what was written after that may be lost.
	// After Commit it does nothing.
	Close() error
}

// Object is a committed object, open for reading. ReadAt may be called
// concurrently.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64 // bytes
}

// Info describes an object in a listing.
type Info struct {
	Key       string
	Size      int64 // bytes; if it is not committed, those that are known of
	Committed bool
	Modified  time.Time
}

// Forker is a Store that can go on with an object which somebody may be writing
// to who does not know yet that it is not theirs any more.
type Forker interface {
	// Fork begins the object to with the first offset bytes of from, as Append
	// would go on with from, and nothing that a writer of from does changes it.
	// from is left as it is or made final; it may be final already. Nothing is
	// durable of to before its first Sync.
	Fork(ctx context.Context, from, to string, offset int64, state []byte) (Writer, error)
}

// Chunked is a Store that is better off if what is written between two Syncs is
// not too little. It takes anything.
type Chunked interface {
	// ChunkMin is how many bytes that should be at least.
	ChunkMin() int64
}

// Signer is a Store whose objects can be read at a URL by who knows it.
type Signer interface {
	// URL is where an object can be read for some time, with ranges; "" with an
	// error, which is errors.ErrUnsupported where the store's credentials are
	// such that they cannot sign.
	URL(ctx context.Context, key string, life time.Duration) (string, error)
}
