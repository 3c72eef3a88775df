package files

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
)

// Entry is one entry of a packed directory.
type Entry struct {
	Name    string      // as in the archive: it may be anything
	Size    int64       // bytes, 0 if it is not a file
	Mode    fs.FileMode // type and permissions; a hard link is a file with a Link
	ModTime time.Time
	Link    string // target of a symbolic or hard link
}

// ListArchive lists the entries of the packed directory that desc describes and
// r reads, and writes nothing. Names and links are those of the archive, be they
// evil. It fails on what breaks the limits l and, after the last entry, with
// orlop.ErrDamaged if r is not what desc says.
func ListArchive(ctx context.Context, r io.Reader, desc orlop.Descriptor, l Limits) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		stopped, err := listArchive(ctx, r, desc, l, func(e Entry) bool { return yield(e, nil) })
		if err != nil && !stopped {
			yield(Entry{}, fmt.Errorf("list the packed directory: %w", err))
		}
	}
}

// listArchive calls yield for each entry; stopped tells that it wanted no more.
func listArchive(ctx context.Context, r io.Reader, desc orlop.Descriptor, l Limits, yield func(Entry) bool) (stopped bool, err error) {
	plain, err := plainDigest(desc)
	if err != nil {
		return false, err
	}
	if _, err := ref.ValidateDigest(desc.Digest.String()); err != nil {
		return false, err
	}
	packed := newVerifying(r, desc)
	tarred, err := openTar(ctx, packed, l.maxBytes(desc.Size), plain)
	if err != nil {
		return false, err
	}
	defer tarred.Close()
	for e, err := range entries(tarred, l) {
		if err != nil {
			return false, err
		}
		if !yield(listed(e)) {
			return true, nil
		}
	}
	if err := tarred.verify(ctx); err != nil {
		return false, err
	}
	return false, packed.verify()
}

func listed(e tarEntry) Entry {
	info := e.FileInfo()
	listed := Entry{Name: e.Name, Mode: info.Mode(), ModTime: e.ModTime, Link: e.Linkname}
	if info.Mode().IsRegular() && e.Linkname == "" {
		listed.Size = e.Size
	}
	return listed
}

// verifying reads content and checks it against its descriptor.
type verifying struct {
	io.Reader
	limited  *io.LimitedReader
	desc     orlop.Descriptor
	verifier digest.Verifier
}

func newVerifying(r io.Reader, desc orlop.Descriptor) *verifying {
	v := &verifying{limited: &io.LimitedReader{R: r, N: desc.Size}, desc: desc, verifier: desc.Digest.Verifier()}
	v.Reader = io.TeeReader(v.limited, v.verifier)
	return v
}

// verify reads what is left and checks the whole.
func (v *verifying) verify() error {
	if _, err := io.Copy(io.Discard, v); err != nil {
		return err
	}
	n, err := v.limited.R.Read(make([]byte, 1))
	if v.limited.N > 0 || n > 0 || !v.verifier.Verified() {
		return fmt.Errorf("the content does not match the digest %s: %w", v.desc.Digest, orlop.ErrDamaged)
	}
	if err != nil && err != io.EOF {
		return err
	}
	return nil
}
