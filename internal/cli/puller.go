package cli

import (
	"context"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
)

// puller writes the files of an artifact to disk.
type puller struct {
	opts     *pullOptions
	from     *target
	progress *output.Progress

	manifests    []orlop.Descriptor // read, in order
	names        map[string]digest.Digest
	groups       []group // files to write, by digest, in order
	skippedLayer bool    // a layer has no name

	mu    sync.Mutex // guards files
	files []pulledFile
}

// group is content with the files that it becomes. It is fetched once.
type group struct {
	digest digest.Digest
	files  []orlop.Descriptor // each with a title
}

// pull reads the manifests, then fetches the files. It returns the descriptor
// of the artifact.
func (p *puller) pull(ctx context.Context) (orlop.Descriptor, error) {
	m, err := p.from.manifest(ctx, &p.opts.platformOptions)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	p.names = map[string]digest.Digest{}
	if err := p.collect(ctx, m); err != nil {
		return orlop.Descriptor{}, err
	}
	if err := p.fetch(ctx); err != nil {
		return orlop.Descriptor{}, err
	}
	for _, d := range p.manifests {
		p.progress.Event("Downloaded", d)
	}
	return m.Descriptor, nil
}

// collect finds the files of a manifest and of those that it leads to.
func (p *puller) collect(ctx context.Context, m orlop.Manifest) error {
	if slices.ContainsFunc(p.manifests, func(d orlop.Descriptor) bool { return d.Digest == m.Descriptor.Digest }) {
		return nil
	}
	p.manifests = append(p.manifests, m.Descriptor)
	p.progress.Event("Downloading", m.Descriptor)
	p.progress.Event("Processing", m.Descriptor)
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		return err
	}
	if info.Config != nil {
		if err := p.add(p.config(*info.Config), false); err != nil {
			return err
		}
	}
	for _, d := range info.Layers {
		if !p.wanted(d.MediaType) || orlop.IsForeign(d.MediaType) {
			continue
		}
		if err := p.add(d, true); err != nil {
			return err
		}
	}
	return p.descend(ctx, info)
}

// descend collects the files of the manifests of an index, and of the subject.
func (p *puller) descend(ctx context.Context, info orlop.ManifestInfo) error {
	next := info.Children
	if p.opts.includeSubject && info.Subject != nil {
		next = append(slices.Clip(next), *info.Subject)
	}
	for _, d := range next {
		m, err := p.from.Manifest(ctx, p.from.repo, string(d.Digest))
		if err != nil {
			return p.from.aboutRef(p.from.digested(d.Digest), err)
		}
		if err := p.collect(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether the flags of 2020 let a media type through.
func (p *puller) wanted(mediaType string) bool {
	return p.opts.allowAll || len(p.opts.mediaTypes) == 0 || slices.Contains(p.opts.mediaTypes, mediaType)
}

// config gives the configuration the name that --config asks for.
func (p *puller) config(d orlop.Descriptor) orlop.Descriptor {
	if p.opts.config == "" {
		return d
	}
	arg, err := files.ParseArg(p.opts.config, runtime.GOOS == "windows")
	if err != nil || arg.MediaType != "" && arg.MediaType != d.MediaType {
		return d
	}
	d.Annotations = map[string]string{ocispec.AnnotationTitle: arg.Path}
	return d
}

// add plans to write a blob under its title. Without a title it is skipped,
// silently if it is the empty JSON that stands for nothing.
func (p *puller) add(d orlop.Descriptor, layer bool) error {
	name := d.Annotations[ocispec.AnnotationTitle]
	if name == "" {
		if d.MediaType != ocispec.MediaTypeEmptyJSON {
			p.progress.Event("Skipped", d)
			p.skippedLayer = p.skippedLayer || layer
		}
		return nil
	}
	if other, ok := p.names[name]; ok {
		if other != d.Digest {
			return sameName(name)
		}
		return nil
	}
	p.names[name] = d.Digest
	i := slices.IndexFunc(p.groups, func(g group) bool { return g.digest == d.Digest })
	if i < 0 {
		p.groups = append(p.groups, group{digest: d.Digest})
		i = len(p.groups) - 1
	}
	p.groups[i].files = append(p.groups[i].files, d)
	return nil
}

// fetch writes all files, several at once.
func (p *puller) fetch(ctx context.Context) error {
	dir, err := files.OpenTarget(p.opts.output, files.TargetOptions{
		KeepOldFiles:       p.opts.keepOldFiles,
		AllowPathTraversal: p.opts.allowPathTraversal,
	})
	if err != nil {
		return err
	}
	defer dir.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opts.concurrency)
	for _, group := range p.groups {
		g.Go(func() error { return p.fetchGroup(ctx, dir, group) })
	}
	return g.Wait()
}

// fetchGroup writes the files of one digest: the first from the registry, the
// others as its copies.
func (p *puller) fetchGroup(ctx context.Context, dir *files.Target, g group) error {
	var first string
	for _, d := range g.files {
		path, err := p.fetchFile(ctx, dir, d, first)
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
func (p *puller) fetchFile(ctx context.Context, dir *files.Target, d orlop.Descriptor, copyOf string) (string, error) {
	f := &fetch{p: p, desc: d}
	open, verb := f.open, "Downloaded"
	if copyOf != "" {
		open, verb = openFile(copyOf), "Restored"
	}
	done, err := dir.Restore(ctx, d.Annotations[ocispec.AnnotationTitle], d, open)
	switch {
	case err != nil:
		if f.task != nil {
			f.task.Fail()
		}
		return "", err
	case f.task != nil:
		f.task.Done(verb)
	case done.Existed:
		p.progress.Event("Exists", d)
	default:
		p.progress.Event(verb, d)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, pulledFile{
		Path: done.Path, Reference: p.from.digested(d.Digest), descriptor: describe(d),
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

func (f *fetch) open(ctx context.Context, off int64) (io.ReadCloser, error) {
	if f.task == nil {
		f.task = f.p.progress.Start("Downloading", f.desc)
	}
	f.task.Set(off)
	r, err := f.p.from.OpenBlob(ctx, f.p.from.repo, f.desc.Digest, off, -1)
	if err != nil {
		return nil, f.p.from.aboutRef(f.p.from.digested(f.desc.Digest), err)
	}
	return &countingReader{ReadCloser: r, task: f.task}, nil
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
	io.ReadCloser
	task *output.Task
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.task.Add(int64(n))
	return n, err
}
