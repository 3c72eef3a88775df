package cli

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
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

	config       *files.Arg // what to write the configuration as, nil if not
	manifests    []orlop.Descriptor
	seen         map[digest.Digest]bool   // of manifests
	names        map[string]digest.Digest // of files
	groups       []*group                 // what to fetch, in order
	byDigest     map[digest.Digest]*group
	skippedLayer bool // a layer has no name

	mu    sync.Mutex // guards files
	files []pulledFile
}

// group is content with the files that it becomes. It is fetched once.
type group struct {
	files []orlop.Descriptor // of one digest, each with a title
}

// maxManifests is how many manifests an index may lead to.
const maxManifests = 10_000

func newPuller(opts *pullOptions, from *target, p *output.Progress) *puller {
	return &puller{
		opts: opts, from: from, progress: p,
		seen: map[digest.Digest]bool{}, names: map[string]digest.Digest{}, byDigest: map[digest.Digest]*group{},
	}
}

// pull reads the manifests, then fetches the files. It returns the descriptor
// of the artifact.
func (p *puller) pull(ctx context.Context) (orlop.Descriptor, error) {
	m, err := p.from.manifest(ctx, &p.opts.platformOptions)
	if err != nil {
		return orlop.Descriptor{}, err
	}
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
	p.seen[m.Descriptor.Digest] = true
	p.manifests = append(p.manifests, m.Descriptor)
	p.progress.Event("Downloading", m.Descriptor)
	p.progress.Event("Processing", m.Descriptor)
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		return err
	}
	if info.Config != nil {
		if err := p.add(p.named(*info.Config), false); err != nil {
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
		if p.seen[d.Digest] {
			continue
		}
		if len(p.manifests) >= maxManifests {
			return fmt.Errorf("%s leads to more than %d manifests", p.from.typed, maxManifests)
		}
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

// named gives the configuration the name that --config asks for, if its type
// is right.
func (p *puller) named(d orlop.Descriptor) orlop.Descriptor {
	if p.config != nil && (p.config.MediaType == "" || p.config.MediaType == d.MediaType) {
		d.Annotations = map[string]string{ocispec.AnnotationTitle: p.config.Path}
	}
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
	g := p.byDigest[d.Digest]
	if g == nil {
		g = &group{}
		p.byDigest[d.Digest] = g
		p.groups = append(p.groups, g)
	}
	g.files = append(g.files, d)
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
	g.SetLimit(p.opts.forBlobs(p.blobs()))
	for _, group := range p.groups {
		g.Go(func() error { return p.fetchGroup(ctx, dir, group) })
	}
	return g.Wait()
}

// blobs are what is to be fetched.
func (p *puller) blobs() iter.Seq[orlop.Descriptor] {
	return func(yield func(orlop.Descriptor) bool) {
		for _, g := range p.groups {
			if !yield(g.files[0]) {
				return
			}
		}
	}
}

// fetchGroup writes the files of one digest: the first from the registry, the
// others as its copies.
func (p *puller) fetchGroup(ctx context.Context, dir *files.Target, g *group) error {
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

// open implements files.OpenFunc. It gives an orlop.BlobReader, which verifies
// a blob that is read whole.
func (f *fetch) open(ctx context.Context, off int64) (io.ReadCloser, error) {
	if f.task == nil {
		f.task = f.p.progress.Start("Downloading", f.desc)
	}
	f.task.Set(off)
	r, err := f.p.from.OpenBlob(ctx, f.p.from.repo, f.desc.Digest, off, -1)
	if err != nil {
		return nil, f.p.from.aboutRef(f.p.from.digested(f.desc.Digest), err)
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
