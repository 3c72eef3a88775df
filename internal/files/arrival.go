package files

import (
	"io"
	"os"
	"sync"
)

// arrival is a file that is being written and can be read meanwhile: whoever
// reads waits for what has not arrived yet.
type arrival struct {
	*os.File

	mu    sync.Mutex // guards what is below
	more  sync.Cond  // there is more, or the end
	n     int64      // bytes that have arrived
	ended bool
	err   error // that the writing ended with
}

// newArrival begins with a file of n bytes.
func newArrival(f *os.File, n int64) *arrival {
	a := &arrival{File: f, n: n}
	a.more.L = &a.mu
	return a
}

// Write implements io.Writer.
func (a *arrival) Write(p []byte) (int, error) {
	n, err := a.File.Write(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += int64(n)
	a.more.Broadcast()
	return n, err
}

// Truncate implements file.
func (a *arrival) Truncate(size int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n = min(a.n, size)
	return a.File.Truncate(size)
}

// end tells that nothing more will come.
func (a *arrival) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended, a.err = true, err
	a.more.Broadcast()
}

// wait waits until there is more than n bytes and returns how much there is.
func (a *arrival) wait(n int64) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.n <= n && !a.ended {
		a.more.Wait()
	}
	if a.n <= n && a.err == nil {
		return a.n, io.EOF
	}
	if a.n <= n {
		return a.n, a.err
	}
	return a.n, nil
}

// reader reads the file from its start to the end of its arrival.
func (a *arrival) reader() io.Reader { return &arrivalReader{a: a} }

type arrivalReader struct {
	a   *arrival
	off int64
}

func (r *arrivalReader) Read(p []byte) (int, error) {
	there, err := r.a.wait(r.off)
	if err != nil {
		return 0, err
	}
	n, err := r.a.ReadAt(p[:min(int64(len(p)), there-r.off)], r.off)
	r.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}
