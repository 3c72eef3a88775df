package cli

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
	"github.com/orlop/orlop/internal/workers"
)

// puller writes the files of an artifact to disk.
type puller struct {
	from     *target
	progress *output.Progress
	dir      *files.Target

	mu    sync.Mutex // guards files
	files []pulledFile
}

// fetch writes the files, several at once.
func (p *puller) fetch(ctx context.Context, groups []group, concurrency int) error {
	running := newInFlight(concurrency)
	startable := func(yield func(group) bool) {
		for _, files := range groups {
			if running.start(ctx, files[0].desc.Size) != nil || !yield(files) {
				return
			}
		}
	}
	return workers.Each(ctx, len(groups)+1, startable, func(ctx context.Context, files group) error {
		defer running.end(files[0].desc.Size)
		return p.fetchGroup(ctx, files)
	})
}

// fetchGroup writes the files of one digest: the first from the registry, the
// others as its copies.
func (p *puller) fetchGroup(ctx context.Context, g group) error {
	var first string
	for _, f := range g {
		path, err := p.fetchFile(ctx, f, first)
		if err != nil {
			return err
		}
		if first == "" && !strings.HasSuffix(path, string(os.PathSeparator)) {
			first = path
		}
	}
	return nil
}

// fetchFile writes one file, from the copy that was written before if there is
// one.
func (p *puller) fetchFile(ctx context.Context, file file, copyOf string) (string, error) {
	f := &fetch{p: p, desc: file.desc}
	open, verb := f.open, "Downloaded"
	if copyOf != "" {
		open, verb = openFile(copyOf), "Restored"
	}
	done, err := p.dir.Restore(ctx, file.name, file.desc, open)
	switch {
	case err != nil:
		if f.task != nil {
			f.task.Fail()
		}
		return "", err
	case f.task != nil:
		f.task.Done(verb)
	case done.Existed:
		p.progress.Event("Exists", file.desc)
	default:
		p.progress.Event(verb, file.desc)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, pulledFile{
		Path: done.Path, Reference: p.from.digested(file.desc.Digest), descriptor: describe(file.desc),
	})
	return done.Path, nil
}

// result is what was pulled, files in the order of their paths.
func (p *puller) result(root orlop.Descriptor) pulledFiles {
	slices.SortFunc(p.files, func(a, b pulledFile) int { return strings.Compare(a.Path, b.Path) })
	r := pulledFiles{Reference: p.from.digested(root.Digest), Files: []pulledFile{}}
	r.Files = append(r.Files, p.files...)
	return r
}

// fetch is the transfer of one blob, which may take several openings.
type fetch struct {
	p    *puller
	desc orlop.Descriptor
	task *output.Task // nil until the first opening
}

// open implements files.OpenFunc. It gives an orlop.BlobReader, which verifies
// a blob that is read whole.
func (f *fetch) open(ctx context.Context, off int64) (io.ReadCloser, error) {
	if f.task == nil {
		f.task = f.p.progress.Start("Downloading", f.desc)
	}
	f.task.Set(off)
	r, err := f.read(ctx, off)
	if err != nil {
		return nil, f.p.from.aboutRef(f.p.from.digested(f.desc.Digest), err)
	}
	return r, nil
}

func (f *fetch) read(ctx context.Context, off int64) (orlop.BlobReader, error) {
	from := f.p.from
	if _, ok := from.Registry.(orlop.SmallReader); ok && off == 0 && f.desc.Size <= smallSize {
		content, err := orlop.ReadSmall(ctx, from.Registry, from.repo, f.desc)
		return files.Whole(content, f.desc), err
	}
	r, err := from.OpenBlob(ctx, from.repo, f.desc.Digest, off, -1)
	if err != nil {
		return nil, err
	}
	return &countingReader{BlobReader: r, task: f.task}, nil
}

func openFile(path string) files.OpenFunc {
	return func(_ context.Context, off int64) (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}

// countingReader reports what is read as progress.
type countingReader struct {
	orlop.BlobReader
	task *output.Task
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.BlobReader.Read(p)
	r.task.Add(int64(n))
	return n, err
}
