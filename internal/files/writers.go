package files

import (
	"sync"
)

// maxWriters is how many small files are written at once.
const maxWriters = 8

// writers write small files, several at once.
type writers struct {
	slots chan struct{}

	mu   sync.Mutex      // guards what is below
	done sync.Cond       // one of the writers is done
	busy map[string]bool // names that are being written
	err  error           // the first
}

func newWriters() *writers {
	w := &writers{slots: make(chan struct{}, maxWriters), busy: map[string]bool{}}
	w.done.L = &w.mu
	return w
}

// start has write called, which writes the file name. It waits while that is
// being written already, or as many as may be. An error may come later, from
// any of the methods.
func (w *writers) start(name string, write func() error) error {
	if err := w.settle(name); err != nil {
		return err
	}
	w.slots <- struct{}{}
	w.mu.Lock()
	w.busy[name] = true
	w.mu.Unlock()
	go func() {
		w.end(name, write())
		<-w.slots
	}()
	return nil
}

func (w *writers) end(name string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, name)
	if w.err == nil {
		w.err = err
	}
	w.done.Broadcast()
}

// settle waits until a file is written.
func (w *writers) settle(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.busy[name] {
		w.done.Wait()
	}
	return w.err
}

// settleAll waits until all files are written.
func (w *writers) settleAll() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.busy) > 0 {
		w.done.Wait()
	}
	return w.err
}
