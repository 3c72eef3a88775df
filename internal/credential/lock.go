package credential

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/orlop/orlop/internal/filelock"
)

// lock takes the lock of a file among processes and waits for it as long as
// ctx allows. The kernel drops the lock of a process that ends, so no lock goes
// stale. The lock file stays: removing it would let two processes hold locks on
// two files of one name.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := waitLock(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func waitLock(ctx context.Context, f *os.File) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		ok, err := filelock.Try(f)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil // the file system knows no locks: go on without one
		}
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process holds %s: %w", f.Name(), context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
