package cli

import (
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// transfers shows the events of copies as progress, and sums them up. Several
// copies may report at once.
type transfers struct {
	progress    *output.Progress
	doing, done string // verbs, such as "Uploading" and "Uploaded"

	mu      sync.Mutex // guards what follows
	running map[transferKey]*output.Task
	sum     transferSummary
}

// transferKey is what is under way: a digest may be that of a blob and of a
// manifest.
type transferKey struct {
	digest    digest.Digest
	mediaType string
}

// transferSummary is what copies did, in results as JSON. What lies under a
// manifest that was there is not looked at, and not counted.
type transferSummary struct {
	Manifests transferCount `json:"manifests"`
	Blobs     transferCount `json:"blobs"`
	Bytes     int64         `json:"bytes"` // sent, manifests too
}

type transferCount struct {
	Copied   int `json:"copied"`
	Existing int `json:"existing"`
	Mounted  int `json:"mounted"`
	Skipped  int `json:"skipped"`
}

func newTransfers(p *output.Progress, doing, done string) *transfers {
	return &transfers{progress: p, doing: doing, done: done, running: map[transferKey]*output.Task{}}
}

// event is for orlop.CopyOptions.Progress.
func (t *transfers) event(e orlop.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := transferKey{e.Descriptor.Digest, e.Descriptor.MediaType}
	switch e.Kind {
	case orlop.Started:
		t.running[key] = t.progress.Start(t.doing, e.Descriptor)
	case orlop.Bytes:
		if task := t.running[key]; task != nil {
			task.Set(e.N)
		}
	case orlop.Done:
		t.end(key, t.done, e.Descriptor)
	case orlop.Exists:
		t.progress.Event("Exists", e.Descriptor)
	case orlop.Mounted: // it may have begun
		t.end(key, "Mounted", e.Descriptor)
	case orlop.Skipped:
		t.progress.Event("Skipped", e.Descriptor)
	}
	t.sum.add(e)
}

// end ends what was under way, if it was.
func (t *transfers) end(key transferKey, verb string, d orlop.Descriptor) {
	if task := t.running[key]; task != nil {
		task.Done(verb)
		delete(t.running, key)
		return
	}
	t.progress.Event(verb, d)
}

// summary is what has happened so far.
func (t *transfers) summary() transferSummary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum
}

func (s *transferSummary) add(e orlop.Event) {
	c := &s.Blobs
	if orlop.IsManifest(e.Descriptor.MediaType) {
		c = &s.Manifests
	}
	switch e.Kind {
	case orlop.Done:
		c.Copied++
		s.Bytes += e.Descriptor.Size
	case orlop.Exists:
		c.Existing++
	case orlop.Mounted:
		c.Mounted++
	case orlop.Skipped:
		c.Skipped++
	}
}
