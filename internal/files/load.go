package files

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/workers"
)

// titles names the files and refuses names that nobody could pull again.
func (s *Source) titles(args []Arg) ([]string, error) {
	windows := runtime.GOOS == "windows"
	titles, absolute, seen := make([]string, len(args)), []string(nil), map[string]bool{}
	for i, a := range args {
		if isAbsolute(a.Path, windows) && !s.options.AllowAbsolute {
			absolute = append(absolute, a.Path)
		}
		title := titleOf(a.Path, windows)
		if s.isStdin(a) {
			title = s.options.StdinTitle
		}
		if other := s.annotations(a, title)[ocispec.AnnotationTitle]; other != "" {
			title = other
		}
		name := cmp.Or(title, a.Path)
		if seen[name] {
			return nil, fmt.Errorf("%s: duplicate name", name)
		}
		titles[i], seen[name] = title, true
	}
	if absolute != nil {
		return nil, fmt.Errorf("absolute file paths are refused, for a pull would write to them; "+
			"change to the folder first, or use --disable-path-validation: %s", strings.Join(absolute, ", "))
	}
	return titles, nil
}

// annotations returns what the user wants to say about a file.
func (s *Source) annotations(a Arg, title string) map[string]string {
	if m, ok := s.options.Annotations[a.Path]; ok {
		return m
	}
	return s.options.Annotations[title]
}

func (s *Source) load(ctx context.Context, args []Arg, titles []string) error {
	s.layers = make([]orlop.Descriptor, len(args))
	announced := func(yield func(int) bool) {
		for i := range args {
			if s.options.OnFile != nil {
				s.options.OnFile(titles[i])
			}
			if !yield(i) {
				return
			}
		}
	}
	return workers.Each(ctx, s.concurrency(), announced, func(ctx context.Context, i int) (err error) {
		s.layers[i], err = s.loadOne(ctx, args[i], titles[i])
		return err
	})
}

func (s *Source) concurrency() int {
	if s.options.Concurrency > 0 {
		return s.options.Concurrency
	}
	return runtime.GOMAXPROCS(0)
}

// loadOne reads a file or packs a directory and returns its layer.
func (s *Source) loadOne(ctx context.Context, a Arg, title string) (orlop.Descriptor, error) {
	b, err := s.loadContent(ctx, a, title)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	s.add(b)
	desc := b.desc
	desc.Annotations = map[string]string{}
	if title != "" {
		desc.Annotations[ocispec.AnnotationTitle] = title
	}
	maps.Copy(desc.Annotations, b.annotations)
	maps.Copy(desc.Annotations, s.annotations(a, title))
	return desc, nil
}

// loadContent reads a file, a directory or standard input.
func (s *Source) loadContent(ctx context.Context, a Arg, title string) (blob, error) {
	if s.isStdin(a) {
		return s.loadStdin(ctx, a, title)
	}
	info, err := os.Stat(a.Path)
	if err != nil {
		return blob{}, err
	}
	if info.IsDir() {
		return s.loadDirectory(ctx, a, title)
	}
	read, end := s.onRead(title, info.Size())
	defer end()
	if info.Mode().IsRegular() && info.Size() <= maxAhead {
		return s.loadSmall(a, info, read)
	}
	f, dgst, err := hashFile(ctx, a.Path, info, read)
	if err != nil {
		return blob{}, err
	}
	return describe(f, a.MediaType, ocispec.MediaTypeImageLayer, dgst, info.Size()), nil
}

func (s *Source) loadDirectory(ctx context.Context, a Arg, title string) (blob, error) {
	read, end := s.onRead(title, -1)
	defer end()
	compression := cmp.Or(s.options.Compression, Gzip)
	p, err := s.packDirectory(ctx, &packer{
		dir: a.Path, title: title, compression: compression,
		reproducible: s.options.Reproducible, epoch: s.options.Epoch, read: read,
	})
	if err != nil {
		return blob{}, err
	}
	b := describe(p.content, a.MediaType, mediaTypes[compression], p.digest, p.size)
	b.annotations = map[string]string{AnnotationDigest: p.tarDigest.String(), AnnotationUnpack: "true"}
	return b, nil
}

func (s *Source) onRead(title string, size int64) (read tally, end func()) {
	if s.options.OnRead == nil {
		return nothing, func() {}
	}
	return s.options.OnRead(title, size)
}
